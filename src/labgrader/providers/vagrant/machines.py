"""A slot's machines: made and prepared once, then given back to their snapshot before every lease."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from labgrader.errors import LabError
from labgrader.model.topology import Topology
from labgrader.providers.groundwork import Groundwork
from labgrader.providers.vagrant import box_choice, host_lock, leftovers, project, slots
from labgrader.providers.vagrant.project import SNAPSHOT, say, vagrant
from labgrader.providers.vagrant.settings import Settings
from labgrader.providers.vagrant.slots import Slot
from labgrader.remote.access import Access
from labgrader.remote.transport import Connection

UP_S = 600.0  # and for each machine its boot's time-out
SNAPSHOT_S = 300.0
DESTROY_S = 300.0
SSH_S = 60.0
RESTORES_AT_ONCE = 2
BEFORE = "before.json"  # what VirtualBox had when the machines were begun
IDENTIFY = "hostname && cat /etc/machine-id && date -u -s @{now:.2f} > /dev/null"


def make(
    slot: Slot, topology: Topology, settings: Settings, groundwork: Groundwork | None
) -> dict[str, Access]:
    """Create, boot and prepare the machines, see that each is itself, and keep them as a snapshot.

    With the groundwork on them, so that it costs a submission nothing.
    """
    names = [machine.name for machine in topology.machines]
    say(f"Making {len(names)} machines with Vagrant and {settings.hypervisor} (once; it takes minutes)…")
    begun = time.monotonic()
    with host_lock.held(say):
        slot.write("slot.json", {**slot.read("slot.json"), "versions": versions(settings)})
        if settings.hypervisor == "virtualbox":
            before = {"machines": leftovers.virtualbox_machines(), "boxes": [settings.box_name]}
            slot.write(BEFORE, before)
        deadline_s = UP_S + settings.boot_timeout_s * len(names)
        vagrant(slot, settings, "up", "--provider", settings.hypervisor, deadline_s=deadline_s)
        if settings.box != "built":
            # There, what was prepared (the way in, the cards' names) holds from the next start on.
            vagrant(slot, settings, "reload", "--no-provision", deadline_s=deadline_s)
        reached = _reach(slot, settings, names)
        slot.write("reached.json", {name: list(place) for name, place in _places(reached).items()})
        _identify(slot, reached)
        if groundwork is not None:
            groundwork.lay(reached)
        _save(slot, settings, names)
    say(f"The machines are ready ({time.monotonic() - begun:.0f} s).")
    return reached


def _save(slot: Slot, settings: Settings, names: list[str]) -> None:
    """Keep the machines as they are; from now on nothing unfinished is this slot's."""
    for name in names:
        vagrant(slot, settings, "snapshot", "save", "--force", name, SNAPSHOT, deadline_s=SNAPSHOT_S)
    (slot.folder / BEFORE).unlink(missing_ok=True)


def versions(settings: Settings) -> dict[str, str]:
    """What made the machines: Vagrant, the hypervisor by its own word, and the box."""
    tool, option = {"virtualbox": ("VBoxManage", "--version"), "libvirt": ("virsh", "--version")}[
        settings.hypervisor
    ]
    said = leftovers.answer_of(tool, option).split()
    return {
        "vagrant": leftovers.answer_of("vagrant", "--version").removeprefix("Vagrant").strip(),
        settings.hypervisor: said[-1] if said else "unknown",
        "box": f"{settings.box_name} {settings.box_version or ''}".strip(),
    }


def reset(slot: Slot, topology: Topology, settings: Settings) -> dict[str, Access]:
    """Take every machine back to its snapshot, see that each is itself, and set its clock."""
    names = [machine.name for machine in topology.machines]
    if settings.hypervisor == "virtualbox":
        with host_lock.held(say):
            for name in names:
                _restore(slot, settings, name)
            reached = _reach(slot, settings, names)
    else:
        with ThreadPoolExecutor(RESTORES_AT_ONCE) as pool:
            for _ in pool.map(lambda name: _restore(slot, settings, name), names):
                pass
        places = slot.read("reached.json")
        reached = {name: project.access(slot, name, (places[name][0], places[name][1])) for name in names}
    _identify(slot, reached)
    return reached


def switch_off(slot: Slot, settings: Settings) -> None:
    """Cut the machines' power: what is worth keeping of them is in the snapshot."""
    with host_lock.held(say) if settings.hypervisor == "virtualbox" else contextlib.nullcontext():
        leftovers.switch_off(settings.hypervisor, slot.prefix)
    slot.become(slots.OFF)


def remove(slot: Slot) -> list[str]:
    """Remove the machines and the slot, whatever state they are in; a line for each thing removed."""
    settings = Settings(hypervisor=slot.read("slot.json").get("hypervisor", "virtualbox"))
    removed = leftovers.end_orphans(slot.folder / "machines.json")
    with host_lock.held(say):
        if (slot.folder / "vagrant" / "machines").is_dir() and slot.read("machines.json"):
            try:
                vagrant(slot, settings, "destroy", "--force", deadline_s=DESTROY_S)
                removed.append(f"machines of lab {slot.read('slot.json').get('lab')}, made in {slot.folder}")
            except LabError as error:
                say(f"Vagrant could not remove the machines ({error.message}); going on by their names.")
        removed += leftovers.remove(settings.hypervisor, slot.prefix)
        if slot.state == slots.MAKING:
            removed += _remove_unfinished(slot, settings.hypervisor)
    slot.forget()
    return removed


def _remove_unfinished(slot: Slot, hypervisor: str) -> list[str]:
    """What a killed creation leaves under names that are not the slot's."""
    if hypervisor == "virtualbox":
        before = slot.read(BEFORE)
        if "machines" not in before:
            return []
        # Somebody else's box is as good a master as ours.
        boxes = [own for name in before.get("boxes", []) for own in box_choice.own_names(name)]
        return leftovers.remove_unnamed(before["machines"], box_choice.masters("*"), boxes)
    # A box's disk that was being copied looks like a whole one; it is copied again in seconds.
    alone = [path.name for path in slots.root().iterdir() if slots.ID.match(path.name)] == [slot.id]
    return leftovers.remove_box(hypervisor, ()) if alone else []


def _restore(slot: Slot, settings: Settings, name: str) -> None:
    # Always by name: without one, Vagrant 2.3.4 stumbles over a machine that is not created.
    vagrant(slot, settings, "snapshot", "restore", "--no-provision", name, SNAPSHOT, deadline_s=SNAPSHOT_S)


def _reach(slot: Slot, settings: Settings, names: list[str]) -> dict[str, Access]:
    places = project.reached_at(slot, settings)
    return {name: project.access(slot, name, places[name]) for name in names}


def _places(reached: Mapping[str, Access]) -> dict[str, tuple[str, int]]:
    return {name: (access.address or "", access.port) for name, access in reached.items()}


def _identify(slot: Slot, reached: Mapping[str, Access]) -> None:
    """Log in to each machine, see that it is the one that it should be, and set its clock."""
    wanted = project.machine_ids(slot)
    with ThreadPoolExecutor(len(reached)) as pool:
        for name, said in zip(reached, pool.map(_ask, reached.values()), strict=True):
            if said != wanted[name]:
                raise LabError(
                    f"{name} is not the machine that it should be: its host name and machine id are "
                    f"{' and '.join(said)}, not {' and '.join(wanted[name])}."
                )


def _ask(access: Access) -> tuple[str, ...]:
    with _awaited(access) as connection:
        return tuple(
            connection.run(IDENTIFY.format(now=time.time())).stdout.decode("utf-8", "replace").split()
        )


def _awaited(access: Access) -> Connection:
    """A connection, as soon as the machine answers; LabError with its last refusal at the deadline."""
    deadline = time.monotonic() + SSH_S
    while True:
        try:
            return Connection(access)
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
