"""The sub-commands, as Vagrant's driver for VirtualBox 7.0 calls them."""

from __future__ import annotations

import copy
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.vagrant.stand_in import (
    describe,
    disks,
    faults,
    hypervisor,
    intnet,
    modify,
    snapshots,
    store,
)
from tests.vagrant.stand_in.store import Machine, Refused

# Every report names it for what it is; Vagrant reads it as 7.0.20.
VERSION = "7.0.20_LabgraderStandInOnQemu_r0"
PROGRESS = "0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%"


def main(words: list[str]) -> int:
    """Carry out one call; prints as VBoxManage does and returns its exit status. Told in calls.log, too."""
    started = time.monotonic()
    status = 1
    try:
        if not words or words[0] not in COMMANDS:
            raise Refused(f"Invalid command '{' '.join(words[:1])}'", status=2)
        faults.meet(words)
        said = COMMANDS[words[0]](words[1:])
        if said:
            print(said)
        status = 0
    except Refused as refused:
        for line in refused.lines:
            print(f"VBoxManage: error: {line}", file=sys.stderr)
        status = refused.status
    finally:
        _log(words, status, time.monotonic() - started)
    return status


def _version(_words: list[str]) -> str:
    return faults.warning() + VERSION


def _list(words: list[str]) -> str:
    return describe.listed(_need(words, 1)[0])


def _show(words: list[str]) -> str:
    machine = store.find(_need(words, 1)[0])
    return (
        describe.machine_readable(machine) if "--machinereadable" in words else describe.for_people(machine)
    )


def _import(words: list[str]) -> str:
    dry = {"-n", "--dry-run"} & set(words)
    path = Path(next((word for word in words if word.endswith(".ovf")), ""))
    if not path.is_file():
        raise Refused(f"Appliance read failed: '{path}' (VERR_FILE_NOT_FOUND)", code=store.FILE_ERROR)
    from tests.vagrant.stand_in import appliance  # XML is nothing that the hundred other calls need

    path = path.resolve()
    read = appliance.read(path)
    if dry:
        return appliance.told(path, read)
    with store.locked(store.home() / "register.lock"):
        machine = store.new(_option(words, "--vmname") or read.name, read.settings)
        try:
            disks.convert(read.image, machine)
            store.save(machine)
        except BaseException:
            shutil.rmtree(machine.folder)
            raise
    print(f"{PROGRESS}\nInterpreting {path}...\nOK.\n{PROGRESS}", file=sys.stderr)
    return "Successfully imported the appliance."


def _clone(words: list[str]) -> str:
    source = store.find(_need(words, 1)[0])
    linked = _option(words, "--options") == "link"
    snapshot = _option(words, "--snapshot")
    if source.is_up or linked != bool(snapshot):
        raise Refused("The stand-in clones machines that are off, linked ones of a snapshot", status=2)
    taken = snapshots.find(source, snapshot) if snapshot else None
    if taken is not None and taken.live:
        raise Refused("The stand-in clones no running state", status=2)
    settings = copy.deepcopy(taken.settings if taken else source.settings)
    for nic in settings.nics.values():
        nic.mac = store.new_mac()
    with store.locked(store.home() / "register.lock"):
        machine = store.new(_option(words, "--name") or f"{source.name} Clone", settings)
        try:
            if taken is not None:
                machine.bases = [taken.disk, *source.bases]
                disks.lay_over(machine, taken.disk)
            else:
                disks.convert(Path(source.disk), machine)
            store.save(machine)
        except BaseException:
            shutil.rmtree(machine.folder)
            raise
    return f'Machine has been successfully cloned as "{machine.name}"'


def _modify(words: list[str]) -> str:
    with store.changing(_need(words, 1)[0]) as machine:
        modify.modify(machine, words[1:])
    return ""


def _start(words: list[str]) -> str:
    with store.changing(_need(words, 1)[0]) as machine:
        if machine.is_up:
            raise Refused(
                f"The machine '{machine.name}' is already locked by a session (or being locked or unlocked)",
                code=store.WRONG_STATE,
            )
        hypervisor.start(machine)
        name = machine.name
    return f'Waiting for VM "{name}" to power on...\nVM "{name}" has been successfully started.'


def _control(words: list[str]) -> str:
    key, action = _need(words, 2)[:2]
    with store.changing(key) as machine:
        if not machine.is_up:
            raise Refused(f"Machine '{machine.name}' is not currently running.", code=store.WRONG_VM_STATE)
        if action == "poweroff":
            hypervisor.end(machine)
        elif action == "acpipowerbutton":
            hypervisor.ask(machine, "system_powerdown")
        elif action == "reset":
            hypervisor.ask(machine, "system_reset")
        elif action == "pause":
            hypervisor.ask(machine, "stop")
            machine.state = "paused"
        elif action == "resume":
            hypervisor.ask(machine, "cont")
            machine.state = "running"
        elif action == "savestate":
            hypervisor.monitor(machine, "savevm saved")
            hypervisor.end(machine)
            machine.state, machine.resume = "saved", "saved"
        else:
            raise Refused(f"Invalid parameter '{action}'", status=2)
    return PROGRESS if action in {"poweroff", "savestate"} else ""


def _snapshot(words: list[str]) -> str:
    key, action, *rest = _need(words, 2)
    if action == "list":
        machine = store.find(key)
        if not machine.snapshots:
            raise Refused("This machine does not have any snapshots")
        return "\n".join(snapshots.lines(machine))
    name = _need(rest, 1)[0]
    with store.changing(key) as machine:
        if action == "take":
            return f"{PROGRESS}\nSnapshot taken. UUID: {snapshots.take(machine, name).uuid}"
        if action == "restore":
            taken = snapshots.restore(machine, name)
            return f"Restoring snapshot '{taken.name}' ({taken.uuid})\n{PROGRESS}"
        if action == "delete":
            snapshots.delete(machine, name)
            return PROGRESS
    raise Refused(f"Unknown subcommand: {action}", status=2)


def _discard(words: list[str]) -> str:
    with store.changing(_need(words, 1)[0]) as machine:
        snapshots.discard_state(machine)
    return ""


def _unregister(words: list[str]) -> str:
    if "--delete" not in words:
        raise Refused("The stand-in unregisters only with --delete", status=2)
    with store.changing(_need(words, 1)[0]) as machine:
        if machine.is_up:
            raise Refused(
                f"Cannot unregister the machine '{machine.name}' while it is locked", code=store.WRONG_STATE
            )
        if clones := _built_upon(machine):
            raise Refused(
                f"Cannot close medium '{machine.disk}' because it has {len(clones)} child media",
                code=store.IN_USE,
            )
        shutil.rmtree(machine.folder)
    intnet.prune()
    return PROGRESS


def _guest_property(words: list[str]) -> str:
    store.find(_need(words, 2)[1])
    return "No value set!"  # there are no guest additions


def _built_upon(machine: Machine) -> list[Machine]:
    folder = f"{machine.folder}/"
    return [other for other in store.machines() if any(base.startswith(folder) for base in other.bases)]


def _need(words: list[str], count: int) -> list[str]:
    if len(words) < count:
        raise Refused("Not enough parameters", status=2)
    return words


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _log(words: list[str], status: int, seconds: float) -> None:
    with (store.home() / "calls.log").open("a") as log:
        log.write(f"{time.time():.2f} {seconds:.2f}s {status} {os.getpid()} {shlex.join(words)}\n")


COMMANDS: dict[str, Callable[[list[str]], str]] = {
    "--version": _version,
    "-v": _version,
    "clonevm": _clone,
    "controlvm": _control,
    "discardstate": _discard,
    "guestproperty": _guest_property,
    "import": _import,
    "list": _list,
    "modifyvm": _modify,
    "showvminfo": _show,
    "snapshot": _snapshot,
    "startvm": _start,
    "unregistervm": _unregister,
}
