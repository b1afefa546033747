"""Snapshots: of a running machine inside its disk, memory and all; of one that is off, by an overlay."""

from __future__ import annotations

import copy
import uuid

from tests.vagrant.stand_in import disks, hypervisor, store
from tests.vagrant.stand_in.store import Machine, Refused, Snapshot


def take(machine: Machine, name: str) -> Snapshot:
    """Keep the machine as it is."""
    if machine.state == "saved":
        raise Refused("The stand-in takes no snapshot of a saved machine", code=store.WRONG_VM_STATE)
    taken = Snapshot(
        str(uuid.uuid4()),
        name,
        machine.is_up,
        machine.disk,
        machine.current,
        copy.deepcopy(machine.settings),
    )
    if taken.live:
        hypervisor.monitor(machine, f"savevm {taken.uuid}")
    else:
        disks.lay_over(machine, taken.disk)
    machine.snapshots.append(taken)
    machine.current = taken.uuid
    return taken


def restore(machine: Machine, key: str) -> Snapshot:
    """Take a machine that is off back; one that was running then is `saved` now and goes on when started."""
    taken = find(machine, key)
    if machine.is_up:
        raise Refused(
            f"Invalid machine state: {machine.state.capitalize()} (must be powered off or saved)",
            code=store.WRONG_VM_STATE,
        )
    before = machine.disk
    if taken.live:
        machine.disk, machine.resume, machine.state = taken.disk, taken.uuid, "saved"
    else:
        disks.lay_over(machine, taken.disk)
        machine.resume, machine.state = "", "poweroff"
    machine.settings = copy.deepcopy(taken.settings)
    machine.current = taken.uuid
    disks.drop_if_unused(machine, before)
    return taken


def delete(machine: Machine, key: str) -> None:
    """Forget a snapshot; what stands upon it goes on standing."""
    taken = find(machine, key)
    children = [other for other in machine.snapshots if other.parent == taken.uuid]
    if len(children) > 1:
        raise Refused(
            f"Snapshot '{taken.name}' of the machine '{machine.name}' has more than one child snapshot",
            code=store.WRONG_STATE,
        )
    if machine.resume == taken.uuid:
        raise Refused("The machine is to go on from this snapshot", code=store.WRONG_STATE)
    machine.snapshots.remove(taken)
    for child in children:
        child.parent = taken.parent
    if machine.current == taken.uuid:
        machine.current = taken.parent
    if not taken.live:
        disks.drop_if_unused(machine, taken.disk)
    elif machine.is_up and machine.disk == taken.disk:
        hypervisor.monitor(machine, f"delvm {taken.uuid}")
    else:
        disks.drop_inner(taken.disk, taken.uuid)
        disks.drop_if_unused(machine, taken.disk)


def discard_state(machine: Machine) -> None:
    """Forget the memory that a saved machine was to go on with, as if its plug had been pulled."""
    if machine.state != "saved":
        raise Refused(f"Invalid machine state: {machine.state.capitalize()}", code=store.WRONG_VM_STATE)
    if machine.resume == "saved":
        disks.drop_inner(machine.disk, "saved")
    else:
        disks.revert(machine.disk, machine.resume)
    machine.resume, machine.state = "", "poweroff"


def find(machine: Machine, key: str) -> Snapshot:
    """The machine's snapshot of this id or name, the latest of that name."""
    for taken in reversed(machine.snapshots):
        if key in (taken.uuid, taken.name):
            return taken
    raise Refused(f"Could not find a snapshot named '{key}'", code=store.NOT_FOUND)


def lines(machine: Machine) -> list[str]:
    """The tree as `--machinereadable` prints it: SnapshotName-1-2 is the first child's second child."""
    said = []

    def tell(parent: str, place: str) -> None:
        children = [taken for taken in machine.snapshots if taken.parent == parent]
        for number, taken in enumerate(children, start=1):
            here = f"{place}-{number}" if parent else place
            said.append(f'SnapshotName{here}="{taken.name}"')
            said.append(f'SnapshotUUID{here}="{taken.uuid}"')
            if taken.uuid == machine.current:
                current.extend(
                    [
                        f'CurrentSnapshotName="{taken.name}"',
                        f'CurrentSnapshotUUID="{taken.uuid}"',
                        f'CurrentSnapshotNode="SnapshotName{here}"',
                    ]
                )
            tell(taken.uuid, here)

    current: list[str] = []
    tell("", "")
    return said + current
