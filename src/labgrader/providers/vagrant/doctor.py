"""What Vagrant needs of this machine, and what its two ways need: VirtualBox and libvirt."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from labgrader import doctor_host as host
from labgrader.doctor_findings import Finding, State, install_command
from labgrader.doctor_host import Needs, Version
from labgrader.errors import UsageError
from labgrader.providers.vagrant import (
    doctor_box,
    doctor_install,
    doctor_libvirt,
    doctor_virtualbox,
    settings,
)
from labgrader.providers.vagrant.settings import Settings

OLDEST = (2, 3, 0)
# No question to its maker's server whether there is a newer one, and no Vagrantfile of whoever stands where.
QUIET = {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_CWD": "/", "VAGRANT_LOG": "", "RUBYOPT": ""}
# labgrader's word for what Vagrant's provider is called by people.
NAMES = {doctor_virtualbox.WAY: "VirtualBox", doctor_libvirt.WAY: "libvirt"}


def findings(*, as_set: bool = False) -> Iterator[Finding]:
    """Every check: of both ways, then VirtualBox, then libvirt.

    Only of the way that a lab would take if `as_set`, or if the environment chooses it.
    """
    path = os.environ.get("LABGRADER_VAGRANT") or host.tool("vagrant")
    found, plugins = None, ""
    if path is None:
        yield _absent()
    else:
        answer = host.ask([path, "--version"], environment=QUIET)
        found = version(answer.out)
        yield _version(path, found, answer)
        if found is not None:
            plugins = host.ask([path, "plugin", "list"], environment=QUIET).out
    yield home(_home())
    try:
        chosen = settings.read()
    except UsageError as error:
        yield Finding(State.LACKS, "settings", error.message.rstrip("."))
        return
    needs = host.needs()
    for broken in needs.broken:
        yield Finding(State.NOTE, "a lab that cannot be read", broken)
    yield from doctor_box.findings(chosen, _home() / "boxes")
    yield memory(needs, *host.memory_mb(host.read("/proc/meminfo")))
    ways: dict[str, Callable[[], Iterator[Finding]]] = {
        doctor_virtualbox.WAY: lambda: doctor_virtualbox.findings(found, needs),
        doctor_libvirt.WAY: lambda: doctor_libvirt.findings(path, plugins, needs),
    }
    named = as_set or os.environ.get("VAGRANT_DEFAULT_PROVIDER")
    for way, look in ways.items():
        if not named or way == chosen.hypervisor:
            name = called(way)
            for finding in look():
                yield replace(finding, way=name)


def called(way: str) -> str:
    """What a way is called in a verdict, and how it is chosen where that takes something."""
    box = host.tool("VBoxManage") if way == doctor_virtualbox.WAY else None
    if box is not None and doctor_virtualbox.stands_in(host.ask([box, "--version"]).out):
        return "labgrader's stand-in for VirtualBox"
    if way == Settings().hypervisor or os.environ.get("VAGRANT_DEFAULT_PROVIDER"):
        return NAMES[way]
    return f"{NAMES[way]} (VAGRANT_DEFAULT_PROVIDER={way})"


def version(text: str) -> Version | None:
    """The version in what `vagrant --version` printed, whatever warnings stand around it."""
    found = re.search(r"^Vagrant (\d{1,4})\.(\d{1,4})\.(\d{1,4})", text, re.MULTILINE | re.ASCII)
    return tuple(int(number) for number in found.groups()) if found else None


def memory(needs: Needs, total: int, available: int) -> Finding:
    """Whether the machines of the largest lab have room in memory; all numbers in MB."""
    asked = f"the machines of {needs.largest} take {needs.memory_mb} MB"
    if total < needs.memory_mb:
        return Finding(
            State.LACKS, "memory for machines", f"{asked}, and there are {total} MB", "use --provider netns"
        )
    if available < needs.memory_mb:
        what = f"{asked}, and {available} of {total} MB are available"
        return Finding(State.NOTE, "memory for machines", what, "end what takes most of it")
    return Finding(State.OK, "memory for machines", f"{asked}, {available} MB are available")


def home(folder: Path) -> Finding:
    """Whether Vagrant can keep its boxes in `folder`, which `sudo vagrant` may have given to root."""
    name = "Vagrant's folder"
    try:
        found = folder.stat()
    except FileNotFoundError:
        if os.access(folder.parent, os.W_OK | os.X_OK):
            return Finding(State.OK, name, f"{folder}, not made yet")
        return Finding(State.LACKS, name, f"{folder} cannot be made", "set VAGRANT_HOME to a folder of yours")
    except OSError as error:
        return Finding(
            State.LACKS, name, f"{folder}: {error.strerror}", "set VAGRANT_HOME to a folder of yours"
        )
    mine = found.st_uid == os.geteuid()
    if mine and stat.S_IMODE(found.st_mode) & 0o700 != 0o700:
        what = f"{folder} is yours and closed to you"
        return Finding(State.LACKS, name, what, f"run: chmod u+rwx {folder}", fix=lambda: _open(folder))
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        what = f"{folder} belongs to somebody else, perhaps because of a sudo vagrant"
        return Finding(State.LACKS, name, what, f'run: sudo chown -R "$USER": {folder}')
    return Finding(State.OK, name, str(folder))


def _home() -> Path:
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")


def _open(folder: Path) -> str:
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o700)
    return f"Opened {folder} to its owner."


def _absent() -> Finding:
    run = f"run: {install_command(['vagrant'])}, or for the newest: {doctor_install.vagrant()}"
    return Finding(State.LACKS, "Vagrant", "not on this machine", run, packages=("vagrant",))


def _version(path: str, found: Version | None, answer: host.Answer) -> Finding:
    if found is None:
        what = f"{path} --version tells no version: {host.told(answer.complaint or answer.out)}"
        return Finding(State.LACKS, "Vagrant", what, f"install it anew, run: {doctor_install.vagrant()}")
    if found < OLDEST:
        what = f"{host.dotted(found)} is older than {host.dotted(OLDEST)}"
        return Finding(State.LACKS, "Vagrant", what, f"run: {doctor_install.vagrant()}")
    return Finding(State.OK, "Vagrant", f"{host.dotted(found)} ({path})")
