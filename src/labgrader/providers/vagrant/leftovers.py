"""What a slot's machines leave in the hypervisor, found by name and removed without Vagrant's help.

Vagrant knows of a machine only once it wrote down its id; a killed one leaves more than that. Everything
that a slot makes is named `labgrader-SLOT-…`, and nothing with another name is touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from labgrader.errors import LabError
from labgrader.printable import printable

OURS = re.compile(r"labgrader-(?P<slot>[0-9a-f]{8})-[A-Za-z0-9.-]+\Z")
MANAGEMENT = "labgrader-mgmt"
LISTED = re.compile(r'"(?P<name>[^"]*)" \{(?P<uuid>[0-9a-f-]{36})\}\s*\Z')
# What Vagrant names a linked clone until it is renamed, and the machine that clones of a box are linked to:
# these words, or the box's own name, and digits (plugins/providers/virtualbox/driver/version_5_0.rb).
DIGITS = r"(_\d+){2,3}"
CLONE = "temp_clone"
BOX_DISK = re.compile(r"labgrader-VAGRANTSLASH-.*_vagrant_box_image_")
COMMAND_S = 120.0
END_S = 10.0
POLL_S = 0.05


def slots_seen(hypervisor: str) -> set[str]:
    """The ids of all slots that the hypervisor still has a machine, a disk or a network of."""
    return {match["slot"] for name in _names(hypervisor) if (match := OURS.match(name))}


def switch_off(hypervisor: str, prefix: str) -> None:
    """Cut the power of every machine whose name begins with `prefix`; Vagrant takes seconds for it."""
    if hypervisor == "libvirt":
        for name in _virsh("list", "--name").split():
            if name.startswith(prefix):
                _virsh("destroy", name)
    else:
        for name, uuid in _virtualbox("runningvms"):
            if name.startswith(prefix):
                _run("VBoxManage", ["VBoxManage", "controlvm", uuid, "poweroff"], True)


def remove(hypervisor: str, prefix: str) -> list[str]:
    """Remove every machine, disk and network whose name begins with `prefix`; a line for each."""
    if hypervisor == "libvirt":
        return _remove_libvirt(lambda name: name.startswith(prefix))
    return _remove_virtualbox(lambda name: name.startswith(prefix))


def remove_unnamed(known: Iterable[str], masters: Iterable[str], boxes: Iterable[str]) -> list[str]:
    """Remove VirtualBox's unfinished clones and imports: passing names that were not there before.

    known: the UUIDs from before, read under the host's lock. masters: what a box's clones are linked to.
    boxes: the names that the imported boxes have by themselves.
    """
    # What runs was finished, whatever it is called.
    spared = {*known, *masters, *(uuid for _name, uuid in _virtualbox("runningvms"))}
    passing = re.compile("|".join(re.escape(own) + DIGITS for own in (CLONE, *boxes)))
    removed = []
    for name, uuid in _virtualbox():
        if passing.fullmatch(name) and uuid not in spared:
            _remove_machine(uuid)
            removed.append(f"machine {name} (unfinished)")
    return removed


def remove_box(hypervisor: str, masters: Iterable[str]) -> list[str]:
    """Remove what the hypervisor keeps of the boxes built here; no machine may depend on it any more."""
    removed = []
    if hypervisor == "libvirt":
        for name in filter(BOX_DISK.match, _volumes()):
            _virsh("vol-delete", name, "--pool", "default")
            removed.append(f"disk {name}")
        return removed
    there = {uuid: name for name, uuid in _virtualbox()}
    for uuid in masters:
        if uuid in there:
            _remove_machine(uuid)
            removed.append(f"machine {there[uuid]} (of a box)")
    return removed


def virtualbox_machines() -> list[str]:
    """The UUIDs of all machines that VirtualBox knows of this user's."""
    return [uuid for _name, uuid in _virtualbox()]


def remove_management() -> list[str]:
    """Remove the management network of libvirt's, unless a machine is on it."""
    if MANAGEMENT not in _virsh("net-list", "--all", "--name").split():
        return []
    bridge = re.search(r"connections='(\d+)'", _virsh("net-dumpxml", MANAGEMENT))
    if bridge and int(bridge[1]):
        return []
    _virsh("net-destroy", MANAGEMENT, check=False)
    _virsh("net-undefine", MANAGEMENT)
    return [f"network {MANAGEMENT}"]


def end_orphans(machines_file: Path) -> list[str]:
    """End what is left of a killed grader's Vagrant: our processes that were given this slot's file."""
    wanted = b"LABGRADER_MACHINES=" + os.fsencode(machines_file)
    said = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.geteuid() and wanted in (entry / "environ").read_bytes().split(
                    b"\0"
                ):
                    name = (entry / "comm").read_text(errors="replace").strip()
                    # The machines themselves are the hypervisor's to end; they hold their disks' locks. So is
                    # VirtualBox's service, which the first VBoxManage starts for all.
                    if name == "VBoxManage" or not name.startswith(("qemu", "VBox")):
                        _end(int(entry.name))
                        said.append(f"process {entry.name} ({printable(name, 40)})")
    return said


def _end(pid: int) -> None:
    deadline = time.monotonic() + END_S
    try:
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(POLL_S)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _names(hypervisor: str) -> list[str]:
    if hypervisor == "virtualbox":
        return [name for name, _uuid in _virtualbox()]
    return [
        *_virsh("list", "--all", "--name").split(),
        *_virsh("net-list", "--all", "--name").split(),
        *_volumes(),
    ]


def _remove_libvirt(is_ours: Callable[[str], bool]) -> list[str]:
    removed = []
    for name in filter(is_ours, _virsh("list", "--all", "--name").split()):
        _virsh("destroy", name, check=False)
        _virsh("undefine", name, "--snapshots-metadata", "--managed-save", "--nvram")
        removed.append(f"machine {name}")
    for name in filter(is_ours, _volumes()):
        _virsh("vol-delete", name, "--pool", "default")
        removed.append(f"disk {name}")
    for name in filter(is_ours, _virsh("net-list", "--all", "--name").split()):
        _virsh("net-destroy", name, check=False)
        _virsh("net-undefine", name)
        removed.append(f"network {name}")
    return removed


def _volumes() -> list[str]:
    """The names of the volumes in the pool that vagrant-libvirt uses; none if there is no such pool."""
    said = _virsh("vol-list", "default", check=False)
    return [line.split()[0] for line in said.splitlines()[2:] if line.split()]


def _virsh(*arguments: str, check: bool = True) -> str:
    return _run(
        "virsh",
        [
            "virsh",
            "-q" if arguments[0] != "vol-list" else "--no-pkttyagent",
            "-c",
            "qemu:///system",
            *arguments,
        ],
        check,
    )


def _virtualbox(which: str = "vms") -> list[tuple[str, str]]:
    lines = _run("VBoxManage", ["VBoxManage", "list", which], True).splitlines()
    return [(match["name"], match["uuid"]) for line in lines if (match := LISTED.match(line))]


def _remove_virtualbox(is_ours: Callable[[str], bool]) -> list[str]:
    removed = []
    for name, uuid in _virtualbox():
        if is_ours(name):
            _remove_machine(uuid)
            removed.append(f"machine {name}")
    said = _run("VBoxManage", ["VBoxManage", "list", "systemproperties"], False)
    if place := re.search(r"^Default machine folder:\s+(.+?)\s*$", said, re.M):
        for folder in Path(place[1]).glob("labgrader-*"):
            if is_ours(folder.name) and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(f"folder {folder}")
    return removed


def _remove_machine(uuid: str) -> None:
    _run("VBoxManage", ["VBoxManage", "controlvm", uuid, "poweroff"], False)
    deadline = time.monotonic() + END_S
    while True:
        try:
            # A machine that was switched off is locked for a moment yet.
            _run("VBoxManage", ["VBoxManage", "unregistervm", uuid, "--delete"], True)
            return
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def answer_of(*argv: str) -> str:
    """What a command says; LabError if it is not there or hangs."""
    return _run(argv[0], list(argv), False)


def _run(tool: str, argv: list[str], check: bool) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise LabError(f"{tool} is not on this machine, so that what it made cannot be removed.") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)} did not end within {COMMAND_S:.0f} s.") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)} failed: {printable(done.stderr.strip(), 300)}")
    return done.stdout
