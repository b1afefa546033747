"""What a grading under way takes of the machine's memory, lab by lab: processes, and hosts' disks (tmpfs)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from labgrader.develop.benchmark import family, proportional_kb
from labgrader.providers.netns import cgroups

# A control group's own count of the most that it held: v1, v2.
PEAKS = ("memory.max_usage_in_bytes", "memory.peak")


@dataclass
class Peaks:
    """The most that was seen, in KB; a lab is its worker with session, supervisor, hosts and their disks."""

    all_kb: int = 0
    grader_kb: int = 0
    lab_kb: int = 0
    disks_kb: int = 0  # of one lab; within lab_kb
    cgroups_kb: int = 0  # of one lab's hosts, by their cgroups' own count; 0 where there are none

    def look(self, grader: int, labs: set[str]) -> None:
        """Look once at a grader's processes; `labs` are the ids of its labs."""
        workers = _workers(grader)
        there = {worker: family(worker) for worker in workers}
        inside = {pid for pids in there.values() for pid in pids}
        own_kb = sum(proportional_kb(pid) for pid in family(grader) if pid not in inside)
        each = []
        for pids in there.values():
            disks_kb = _disks_kb(pids)
            # A page of a disk that is mapped as well counts twice: rather too much than too little.
            each.append(disks_kb + sum(map(proportional_kb, pids)))
            self.disks_kb = max(self.disks_kb, disks_kb)
        self.all_kb = max(self.all_kb, own_kb + sum(each))
        self.grader_kb = max(self.grader_kb, own_kb)
        self.lab_kb = max([self.lab_kb, *each])
        self.cgroups_kb = max([self.cgroups_kb, *_cgroups_kb(labs)])


def _workers(grader: int) -> list[int]:
    """The processes that grade: children of the one that forks them."""
    servers = [pid for pid in _children(grader) if b"multiprocessing.forkserver" in _words(pid)]
    return [worker for server in servers for worker in _children(server)]


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _disks_kb(pids: list[int]) -> int:
    """What lies on the file systems in memory that these processes have, and this one has not."""
    seen = {device for device, _ in _tmpfs("self")}
    spaces: set[str] = set()
    total = 0
    for pid in pids:
        try:
            space = os.readlink(f"/proc/{pid}/ns/mnt")
            if space in spaces:
                continue
            spaces.add(space)
            for device, place in _tmpfs(str(pid)):
                if device not in seen:
                    seen.add(device)
                    used = os.statvfs(f"/proc/{pid}/root{place}")
                    total += (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
        except OSError:  # it has just ended, or the place is covered
            continue
    return total


def _tmpfs(pid: str) -> list[tuple[str, str]]:
    """Device and place of each tmpfs that is mounted as a whole (proc(5), mountinfo)."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        _id, _parent, device, root, place = mount.split()[:5]
        if source.startswith("tmpfs ") and root == "/":
            found.append((device, place))
    return found


def _cgroups_kb(labs: set[str]) -> list[int]:
    """For each lab the most that its hosts' cgroups held, page cache included."""
    totals: dict[str, int] = {}
    for folder in cgroups.leftovers():
        lab = folder.name.removeprefix(cgroups.PREFIX).partition("-")[0]
        if lab in labs:
            for name in PEAKS:
                try:
                    totals[lab] = totals.get(lab, 0) + int((folder / name).read_text()) // 1024
                except (OSError, ValueError):
                    continue
    return list(totals.values())
