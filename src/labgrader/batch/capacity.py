"""How many labs at once suit this machine."""

from __future__ import annotations

import os
from pathlib import Path

LAB_MB = 200  # a lab in flight needs no more; `lab bench` measures it
LABS_A_PROCESSOR = 2  # a lab waits, for a server that does not answer for example, as long as it computes


def default_jobs() -> int:
    """Two labs a processor, as long as each has 200 MB of the memory that is free."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(LABS_A_PROCESSOR * processors, free_mb() // LAB_MB))


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
    return LAB_MB


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
