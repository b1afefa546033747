"""The `vagrant` provider: real machines, made by Vagrant with VirtualBox or libvirt.

Making them takes minutes, so they are kept between labs: every lease begins with the restore of a snapshot
that was taken when they were prepared. `lab machines` lists what is kept, and removes it.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass

from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.model.topology import Topology
from labgrader.providers.groundwork import Groundwork
from labgrader.providers.vagrant import (
    box_choice,
    cli,
    host_lock,
    leftovers,
    machines,
    project,
    settings,
    slots,
)
from labgrader.providers.vagrant.project import say
from labgrader.providers.vagrant.slots import Slot
from labgrader.remote.access import Access, Lease

# What holds each of a lab's limits on a machine (guest/lib/confine.py, agent_program.py).
HELD = {
    "processes": "RLIMIT_NPROC",
    "memory_mb": "RLIMIT_AS and the agent's watch",
    "cpu_s": "RLIMIT_CPU",
    "cpus": "the machine's processors",
    "disk_mb": "tmpfs size",
    "output_kb": "the agent",
    "open_files": "RLIMIT_NOFILE",
    "wall_s": "the grader",
    "check_s": "the grader",
}
TOOLS = {"virtualbox": "VBoxManage", "libvirt": "virsh"}


class VagrantProvider:
    """Makes labs out of virtual machines on this machine."""

    name = "vagrant"
    default_jobs = 1  # each lab has machines of its own, and VirtualBox restores them one at a time

    def __init__(self) -> None:
        self._settings = settings.read()
        self._prepared = False

    def prepare(self) -> None:
        """See that Vagrant is there and has the box. Raises LabError or UsageError."""
        cli.program()
        self._settings = box_choice.ensure(self._settings)
        self._prepared = True

    def start(self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None) -> VagrantLab:
        if not self._prepared:
            self.prepare()
        return VagrantLab(topology, limits, groundwork, self._settings)

    def clean(self) -> list[str]:
        removed = []
        for slot in slots.unclaimed():
            if slot.state == slots.OFF:
                slot.release()
            else:
                removed += machines.remove(slot)
        return removed + _strays()


class VagrantLab:
    """One lease of kept machines, or of new ones where there are none."""

    def __init__(
        self,
        topology: Topology,
        limits: Limits,
        groundwork: Groundwork | None,
        chosen: settings.Settings,
    ) -> None:
        self._topology = topology
        self._limits = limits
        self._groundwork = groundwork
        self._settings = chosen
        self._slot: Slot | None = None

    def ready(self) -> Lease:
        """Claim machines and bring them to their snapshot, or make them first."""
        laid = self._groundwork.digest() if self._groundwork else ""
        key = project.key(self._topology, self._limits, self._settings, laid)
        self._slot, kept = slots.claim(key, self._topology.lab, self._settings.key)
        slot = self._slot
        if kept:
            slot.become(slots.LEASED)
            try:
                reached = machines.reset(slot, self._topology, self._settings)
            except LabError:
                # They are of no use any more; whoever tries again gets new ones.
                slot.become(slots.MAKING)
                raise
        else:
            _remove_superseded(slot)
            project.write(slot, self._topology, self._limits, self._settings)
            reached = machines.make(slot, self._topology, self._settings, self._groundwork)
            slot.become(slots.LEASED)
        return self._lease(slot, reached)

    def _lease(self, slot: Slot, reached: dict[str, Access]) -> Lease:
        return Lease(slot.id, "vagrant", reached, HELD, versions=slot.read("slot.json").get("versions", {}))

    def destroy(self) -> None:
        """Switch the machines off and keep them for the next lab; what was not finished is removed."""
        slot, self._slot = self._slot, None
        if slot is None:
            return
        try:
            if slot.state == slots.LEASED:
                machines.switch_off(slot, self._settings)
        except LabError as error:
            say(f"The machines could not be switched off ({error.message}); removing them.")
        if slot.state == slots.OFF:
            slot.release()
        else:
            machines.remove(slot)


def _remove_superseded(new: Slot) -> None:
    for slot in slots.superseded(new):
        say("The lab, its box or labgrader has changed; removing the machines that were kept for it…")
        try:
            machines.remove(slot)
        except LabError as error:
            say(f"They could not be removed ({error.message}). Afterwards run: ./lab machines --remove")
            slot.release()


@dataclass(frozen=True)
class Kept:
    """Machines that are kept for one kind of lab."""

    id: str
    lab: str
    hypervisor: str
    state: str
    age_s: float

    @property
    def line(self) -> str:
        """What it is, for a person."""
        age = f"made {self.age_s / 86400:.1f} days ago"
        return f"{self.lab}  {self.hypervisor}  {self.state}  {age}  labgrader-{self.id}-…"


def kept() -> list[Kept]:
    """The machines that are kept, or in use now."""
    found = []
    busy = slots.claimed()
    for folder in sorted(slots.root().iterdir()):
        if slots.ID.match(folder.name):
            slot = Slot(folder, None)
            said = slot.read("slot.json")
            state = "in use" if slot.id in busy else slot.state
            age_s = time.time() - float(said.get("made", time.time()))
            found.append(Kept(slot.id, said.get("lab", "?"), said.get("hypervisor", "?"), state, age_s))
    return found


def remove_kept(lab: str | None) -> list[str]:
    """Remove the kept machines of one lab, or all that nobody uses; a line for each thing removed."""
    removed = []
    for slot in slots.unclaimed():
        if lab in (None, slot.read("slot.json").get("lab")):
            removed += machines.remove(slot)
        else:
            slot.release()
    if lab is None:
        removed += _strays()
        if not any(slots.root().iterdir()):
            removed += _boxes()
    return removed


def _boxes() -> list[str]:
    """Remove what Vagrant and the hypervisors hold of the boxes that were built here: nobody uses it now."""
    removed = []
    for hypervisor, tool in TOOLS.items():
        if shutil.which(tool) is not None:
            with contextlib.suppress(LabError):  # as in _strays
                removed += leftovers.remove_box(hypervisor, box_choice.masters())
    return removed + box_choice.forget_built()


def _strays() -> list[str]:
    """What belongs to no slot any more, the management network and the lock file when nobody needs them."""
    removed = []
    there = {path.name for path in slots.root().iterdir()}
    for hypervisor, tool in TOOLS.items():
        if shutil.which(tool) is None:
            continue
        try:
            for slot_id in sorted(leftovers.slots_seen(hypervisor) - there):
                removed += leftovers.remove(hypervisor, f"labgrader-{slot_id}-")
            if hypervisor == "libvirt" and not there:
                removed += leftovers.remove_management()
        except LabError:
            continue  # a daemon that does not run has nothing that runs; `lab doctor` tells of it
    if host_lock.remove():
        removed.append(f"lock {host_lock.path()}")
    return removed
