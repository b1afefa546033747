"""How many labs at once suit this machine."""

from __future__ import annotations

import os
from pathlib import Path

from labgrader.model.spec import Lab

# What a lab takes of its own, with worker, session, supervisor and hosts; as `lab bench --class` measures it.
OWN_MB, HOST_MB = 70, 30
LABS_A_PROCESSOR = 2  # a lab waits, for a server that does not answer for example, as long as it computes


def default_jobs(lab: Lab) -> int:
    """Two labs a processor, as long as each has the memory (`lab_mb`) that is free."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(LABS_A_PROCESSOR * processors, free_mb() // lab_mb(lab)))


def lab_mb(lab: Lab) -> int:
    """The memory (MB) that a lab in flight takes at most, by its hosts and by what it lets students use."""
    return OWN_MB + HOST_MB * len(lab.hosts) + lab.limits.student_mb


def free_mb() -> int:
    """What this process and its children may take without swapping, in MB: the machine's, or the cgroup's."""
    found = [_available(Path("/proc/meminfo"))]
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            found += _left_in(Path("/sys/fs/cgroup") / line[3:].strip().lstrip("/"))
    return max(0, min(found))


def _available(path: Path) -> int:
    for line in _text(path).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def _left_in(folder: Path) -> list[int]:
    """What a cgroup and those above it have left, where they have a limit."""
    found = []
    for one in (folder, *folder.parents):
        most, used = _text(one / "memory.max").strip(), _text(one / "memory.current").strip()
        if most.isdigit() and used.isdigit():
            found.append((int(most) - int(used)) >> 20)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
