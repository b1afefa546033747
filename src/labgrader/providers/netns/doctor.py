"""What the namespace provider needs of this machine: one finding a check, by trying rather than asking."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labgrader import doctor_host
from labgrader.doctor_findings import Finding, State, install_command
from labgrader.errors import LabError, LabgraderError
from labgrader.model import spec
from labgrader.model.limits import Limits
from labgrader.model.topology import topology
from labgrader.providers.netns import NamespaceProvider, apt_sources, cgroups, image, runtime
from labgrader.providers.netns.doctor_image import image_findings, image_there
from labgrader.providers.netns.ids import COUNT, id_range
from labgrader.providers.netns.kernel_says import why_no_namespaces
from labgrader.providers.netns.renewal import labs

KERNEL = (5, 11)  # overlayfs in user namespaces
TRIAL = Path(__file__).with_name("trial.py")
TRIAL_S = 30
MEMORY_MB = 512
TOOLS = {"ip": "iproute2", "tar": "tar", "mmdebstrap": "mmdebstrap"}
ONLY_FOR_IMAGE = ("mmdebstrap", "tar")
# What holds a limit where no cgroup does.
ELSE_HELD = {
    "processes": "RLIMIT_NPROC",
    "memory_mb": "RLIMIT_AS and the agent's watch",
    "cpus": "nothing (a busy host may slow others down)",
}


def findings() -> Iterator[Finding]:
    """Every check but the last, in an order in which a later one may build on an earlier one."""
    have_image = image_there()
    yield _kernel()
    ids = _ids()
    yield ids
    if os.geteuid() != 0:
        yield _newuidmap()
    if ids.state is State.OK:
        yield from _namespaces()
    for tool, package in TOOLS.items():
        yield _tool(tool, package, needed=not have_image or tool not in ONLY_FOR_IMAGE)
    yield _sources(needed=not have_image)
    yield _cgroups()
    yield _cache()
    yield _disk(have_image)
    yield _memory()
    yield addresses()
    yield from image_findings(have_image)
    yield _stale()


def try_lab() -> Finding:
    """Bring a lab of two hosts up and remove it again."""
    name = "a throw-away lab"
    if not image_there():
        return Finding(State.NOTE, name, "not tried, because there is no image yet")
    provider = NamespaceProvider()
    try:
        provider.prepare()
        lab = spec.find("tcp-server")
        begun = time.monotonic()
        running = provider.start(topology(lab), lab.limits)
        try:
            count = len(running.ready().hosts)
            seconds = time.monotonic() - begun
        finally:
            running.destroy()
    except LabgraderError as error:
        return Finding(State.LACKS, name, error.message.rstrip("."))
    return Finding(State.OK, name, f"a lab of {('no', 'one', 'two')[count]} hosts came up in {seconds:.1f} s")


def _kernel() -> Finding:
    release = platform.release()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers and (int(numbers[1]), int(numbers[2])) < KERNEL:
        return Finding(
            State.LACKS,
            "kernel",
            f"{release} cannot mount overlayfs in a user namespace, which 5.11 and newer can",
            "boot a newer one (Debian 12 and Ubuntu 22.04 have it)",
        )
    return Finding(State.OK, "kernel", release)


def _ids() -> Finding:
    try:
        ids = id_range()
    except LabError as error:
        message, _, remedy = error.message.partition("; ")
        return Finding(State.LACKS, "subordinate ids", message, remedy)
    said = "root needs no entry in /etc/subuid" if ids.direct else f"{COUNT} from {ids.uid_base}"
    return Finding(State.OK, "subordinate ids", said)


def _newuidmap() -> Finding:
    for name in ("newuidmap", "newgidmap"):
        path = shutil.which(name)
        if path is None:
            return _package(State.LACKS, name, "not on this machine", "uidmap")
        if not os.stat(path).st_mode & stat.S_ISUID and "security.capability" not in os.listxattr(path):
            mend = f"run: sudo chmod u+s {path}"
            return Finding(State.LACKS, name, f"{path} is neither set-uid root nor has capabilities", mend)
    return Finding(State.OK, "newuidmap and newgidmap", "there, and allowed to map ids")


def _namespaces() -> Iterator[Finding]:
    ids = id_range()
    config = {"uid_base": ids.uid_base, "gid_base": ids.gid_base, "ids": COUNT, "direct": ids.direct}
    argv = [sys.executable, "-I", "-S", str(TRIAL), json.dumps(config)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TRIAL_S)
        found: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield Finding(State.LACKS, "namespaces", f"trying them failed: {error}")
        return
    proc, overlay = found.pop("proc", None), found.pop("overlay", None)
    failed = {name: why for name, why in found.items() if why}
    if failed:
        for name, failure in failed.items():
            what = "ids in a user namespace" if name == "ids" else f"{name} namespaces"
            yield Finding(State.LACKS, what, failure, why_no_namespaces(name))
        return
    yield Finding(State.OK, "namespaces", "user, mount, network, pid, ipc, uts and cgroup")
    for what, why in (("/proc in a namespace", proc), ("overlayfs in a namespace", overlay)):
        if why:
            yield Finding(State.LACKS, what, f"cannot be mounted: {why}", why_no_namespaces(what))
        else:
            yield Finding(State.OK, what, "can be mounted")


def _tool(tool: str, package: str, *, needed: bool) -> Finding:
    # As the supervisor looks for it: an ordinary user's PATH may lack /usr/sbin.
    path = shutil.which(tool, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if path is not None:
        return Finding(State.OK, tool, path)
    if needed:
        return _package(State.LACKS, tool, "not on this machine", package)
    return _package(State.NOTE, tool, "not on this machine, but only a new image would need it", package)


def _package(state: State, name: str, message: str, package: str) -> Finding:
    return Finding(state, name, message, f"run: {install_command([package])}", packages=(package,))


def _sources(*, needed: bool) -> Finding:
    try:
        apt_sources.text()
    except LabError as error:
        state = State.LACKS if needed else State.NOTE
        remedy = "add the distribution's own archive there, or use a machine with Debian or Ubuntu"
        return Finding(state, "apt sources", error.message.rstrip("."), remedy)
    return Finding(State.OK, "apt sources", f"they name the main archive of {apt_sources.suite()}")


def _cgroups() -> Finding:
    made = cgroups.make(secrets.token_hex(4), ["try"], Limits())
    for directories in made.directories.values():
        for directory in directories:
            os.rmdir(directory)
    missing = [limit for limit in ELSE_HELD if limit not in made.held]
    held = [f"{limit} by {by}" for limit, by in made.held.items()]
    else_held = [f"{limit} by {ELSE_HELD[limit]}" for limit in missing]
    said = "limits are held so: " + ", ".join(held + else_held)
    if not missing:
        return Finding(State.OK, "cgroups", said)
    remedy: str | None = (
        None if os.geteuid() == 0 else "root may use them, or a user whom systemd delegated a cgroup"
    )
    return Finding(State.NOTE, "cgroups", said, remedy)


def _cache() -> Finding:
    folder = image.cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "set XDG_CACHE_HOME to a folder of yours"
        return Finding(
            State.LACKS, "cache folder", f"{folder} cannot be written to: {error.strerror}", remedy
        )
    return Finding(State.OK, "cache folder", str(folder))


def _disk(have_image: bool) -> Finding:
    folder = image.cache_folder()
    while not os.path.exists(folder):  # also where a folder above it is closed to us
        folder = folder.parent
    free, needed = shutil.disk_usage(folder).free >> 20, image.BUILD_BYTES >> 20
    if free >= needed:
        return Finding(State.OK, "disk", f"{free} MB free in {folder}")
    state = State.NOTE if have_image else State.LACKS
    return Finding(
        state,
        "disk",
        f"{free} MB free in {folder}; building an image takes {needed} MB",
        "free some, or set XDG_CACHE_HOME to a folder with more",
    )


def _memory() -> Finding:
    text = Path("/proc/meminfo").read_text()
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    free = int(found[1]) >> 10 if found else 0
    if free >= MEMORY_MB:
        return Finding(State.OK, "memory", f"{free} MB available")
    return Finding(
        State.NOTE, "memory", f"{free} MB available, and one lab may take {MEMORY_MB} MB", "free some"
    )


def addresses() -> Finding:
    """Whether a lab has a network that is this machine's too, which is harmless here and worth knowing."""
    found = doctor_host.own_clashes(doctor_host.needs().networks)
    if not found:
        return Finding(State.OK, "addresses", "no network of a lab is one of this machine's")
    said = "; ".join(clash.words for clash in found)
    return Finding(
        State.NOTE, "addresses", f"{said}; harmless, the labs' networks lie in namespaces of their own"
    )


def _stale() -> Finding:
    try:
        dead = {path.name for path in labs() if not runtime._is_owned(path)}
    except LabError as error:
        return Finding(State.LACKS, "left-over labs", error.message.rstrip("."))
    count = len(dead) + sum(runtime._is_left_over(path, set()) for path in cgroups.leftovers())
    if count == 0:
        return Finding(State.OK, "left-over labs", "none")
    said = "one thing of a killed run" if count == 1 else f"{count} things of killed runs"
    return Finding(State.NOTE, "left-over labs", said, "run: ./lab clean", fix=_clean)


def _clean() -> str:
    removed = runtime.clean()
    return f"Removed what killed runs had left behind: {', '.join(removed) or 'it had gone by itself'}."
