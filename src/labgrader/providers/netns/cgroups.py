"""Control groups for a lab's hosts: v2 where it is ours to use, else v1, else none (cgroups(7)).

What cannot be held by a cgroup is still held by resource limits and the agent's own watch over memory
(guest/lib/confine.py, agent.py); the report says which.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labgrader.model.limits import Limits

ROOT = Path("/sys/fs/cgroup")
PREFIX = "labgrader-"
# What the host's own daemons take beside the student's share; named, the largest of them, takes less.
HOST_MEMORY_MB = 48
HOST_PROCESSES = 256
PERIOD_US = 100_000


@dataclass(frozen=True)
class Cgroups:
    """The directories made for each host, and by what each limit is held."""

    directories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)


def make(lab_id: str, hosts: list[str], limits: Limits) -> Cgroups:
    """Make one cgroup a host (and, on v1, a controller). Never fails: without them the report says so."""
    settings = _settings_v2(limits) if (ROOT / "cgroup.controllers").exists() else _settings_v1(limits)
    version = "v2" if (ROOT / "cgroup.controllers").exists() else "v1"
    directories: dict[str, tuple[str, ...]] = {}
    held: dict[str, str] = {}
    for host in hosts:
        made = []
        for controller, values in settings.items():
            parent = _parent(controller, version)
            directory = parent / f"{PREFIX}{lab_id}-{host}"
            try:
                directory.mkdir()
            except OSError:
                continue
            made.append(str(directory))
            for name, value in values.items():
                try:
                    (directory / name).write_text(str(value))
                    held[_limit_of(name)] = f"cgroup {version}"
                except OSError:
                    pass  # a controller that is not enabled here; the report then names what holds instead
        directories[host] = tuple(made)
    return Cgroups(directories, held)


def leftovers() -> list[Path]:
    """Every cgroup that carries our prefix; others may come and go while we look."""
    return [
        Path(parent, name) for parent, names, _ in os.walk(ROOT) for name in names if name.startswith(PREFIX)
    ]


def _settings_v2(limits: Limits) -> dict[str, dict[str, object]]:
    return {
        "": {
            "pids.max": limits.processes + HOST_PROCESSES,
            "memory.max": _memory_bytes(limits),
            "memory.swap.max": 0,
            "cpu.max": f"{int(limits.cpus * PERIOD_US)} {PERIOD_US}",
        }
    }


def _settings_v1(limits: Limits) -> dict[str, dict[str, object]]:
    return {
        "pids": {"pids.max": limits.processes + HOST_PROCESSES},
        "memory": {"memory.limit_in_bytes": _memory_bytes(limits)},
        "cpu": {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": int(limits.cpus * PERIOD_US)},
    }


def _memory_bytes(limits: Limits) -> int:
    # What a student writes to his disk is memory of the machine's, too. Whoever forks faster than the agent
    # looks meets this limit; the student's processes are the first to go then (guest/lib/confine.py).
    return (limits.student_mb + HOST_MEMORY_MB) << 20


def _limit_of(name: str) -> str:
    return {"pids": "processes", "memory": "memory_mb", "cpu": "cpus"}[name.split(".")[0]]


def _parent(controller: str, version: str) -> Path:
    """Where new cgroups may go: this process's own one if it is an ordinary user's, else the top."""
    base = ROOT / controller if version == "v1" else ROOT
    if os.geteuid() == 0:
        return base
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or (version == "v2" and controllers == ""):
            own = base / path.lstrip("/")
            # v2 allows no processes in an inner cgroup: the place is beside us, where it was delegated.
            return own.parent if version == "v2" else own
    return base
