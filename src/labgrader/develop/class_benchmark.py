"""What grading a class costs: labs a minute, memory a lab in flight, and what is left behind.

All the while the floor (benchmarks/floor.sh) runs beside it, one at a time, so that both are measured under
the same load, each other's included. Docs: docs/decisions/0005-what-the-benchmark-measures.md.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labgrader.develop import class_answers
from labgrader.develop.benchmark import FLOOR, ROOT, SERVER
from labgrader.develop.class_memory import Peaks
from labgrader.errors import LabError
from labgrader.model.results import Report
from labgrader.providers.netns import cgroups, image

LAB = ROOT / "labs" / "tcp-server"
HOSTILE = ROOT / "tests" / "submissions" / "hostile"
RATE_BUDGET = 60.0  # labs a minute, for tcp-server with 4 at once on 2 processors
MEMORY_BUDGET_MB = 200.0  # a lab in flight, at its peak
SAMPLE_S = 0.5
GONE_S = 10.0


@dataclass(frozen=True)
class Graded:
    """A class's grading: seconds, memory, what is left behind, and the runs of the floor meanwhile."""

    wall_s: float
    peaks: Peaks
    left: list[str]
    floors_s: list[float]


def measure(students: int, jobs: int) -> dict[str, Any]:
    """Grade a class of so many, a tenth of it hostile, `jobs` at once, and measure; plain data.

    Raises LabError if one is not graded, or not as its mutant.yaml or `# expect:` says.
    """
    rootfs = image.ensure()[0]
    with tempfile.TemporaryDirectory(prefix="lg-bench-", dir="/tmp") as name:
        top = Path(name)
        handed_in = class_of(students)
        make_class(top / "class", handed_in)
        graded = _grade(top, jobs, rootfs)
        paths = list((top / "run" / "reports").iterdir())
        reports = {path.stem: Report.from_json(json.loads(path.read_text())) for path in paths}
    class_answers.must_be_right(reports, handed_in)
    # What one lane of the grading needs for a submission, beside what a lane of bare scripts needs for one.
    floor_s, lane_s = statistics.mean(graded.floors_s), graded.wall_s * jobs / students
    rate = students / graded.wall_s * 60
    mb = {name: round(kb / 1024, 1) for name, kb in vars(graded.peaks).items()}
    return {
        "students": students,
        "kinds": dict(Counter(kind for kind, _ in handed_in.values())),
        "jobs": jobs,
        "processors": len(os.sched_getaffinity(0)),
        "wall_s": round(graded.wall_s, 1),
        "a_minute": round(rate, 1),
        "lane_s": round(lane_s, 3),
        "floor_s": round(floor_s, 3),
        "floor_runs": len(graded.floors_s),
        "times_the_floor": round(lane_s / floor_s, 2),
        "peak_memory_mb": mb["all_kb"],
        "grader_memory_mb": mb["grader_kb"],
        "memory_mb_a_lab": mb["lab_kb"],
        "disks_mb_a_lab": mb["disks_kb"],
        "cgroups_mb_a_lab": mb["cgroups_kb"] or None,
        "left_behind": graded.left,
        "budget": {
            "a_minute": RATE_BUDGET,
            "memory_mb_a_lab": MEMORY_BUDGET_MB,
            "holds": rate >= RATE_BUDGET and mb["lab_kb"] <= MEMORY_BUDGET_MB and not graded.left,
        },
    }


def sentences(found: dict[str, Any]) -> str:
    """The measurements for a person, a line each."""
    budget = found["budget"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items())
    times, disks, held = found["times_the_floor"], found["disks_mb_a_lab"], found["cgroups_mb_a_lab"]
    own = found["grader_memory_mb"]
    rate, most = budget["a_minute"], budget["memory_mb_a_lab"]
    holds = "holds" if budget["holds"] else "does not hold"
    rows = [
        ("submissions", f"{found['students']} ({kinds}), {found['jobs']} at once, all graded right"),
        ("processors", str(found["processors"])),
        ("graded", f"in {found['wall_s']:.1f} s, {found['a_minute']:.0f} a minute"),
        (
            "benchmarks/floor.sh",
            f"{found['floor_s']:.3f} s, the mean of {found['floor_runs']} runs beside it",
        ),
        ("a submission", f"{found['lane_s']:.3f} s of one of {found['jobs']} lanes: {times} times the floor"),
        ("a lab in flight", f"at most {found['memory_mb_a_lab']:.0f} MB, {disks:.0f} MB of it on its disks"),
        ("its hosts' cgroups", f"at most {held:.0f} MB, page cache included" if held else "none"),
        ("all together", f"at most {found['peak_memory_mb']:.0f} MB, {own:.0f} MB of it the grader's own"),
        ("left behind", ", ".join(found["left_behind"]) or "nothing"),
        ("budget", f"{holds}: at least {rate:g} a minute, at most {most:g} MB a lab, nothing left behind"),
    ]
    return "".join(f"{name:24} {value}\n" for name, value in rows)


def class_of(students: int) -> dict[str, tuple[str, Path]]:
    """Kind and file of so many submissions: a tenth hostile, else the reference and mutants in turn."""
    hostile = sorted(HOSTILE.glob("*.py"))
    mutants = sorted(LAB.glob("mutants/*/tcp_server.py"))
    found = {}
    for number in range(students):
        if number % 10 == 9:
            one = "hostile", hostile[number // 10 * 7 % len(hostile)]
        elif number % 2:
            one = "wrong", mutants[number // 2 % len(mutants)]
        else:
            one = "right", SERVER
        found[f"student{number:04}"] = one
    return found


def make_class(folder: Path, handed_in: Mapping[str, tuple[str, Path]]) -> None:
    """Lay these submissions out, a folder a student."""
    for student, (_, source) in handed_in.items():
        (folder / student).mkdir(parents=True)
        shutil.copy(source, folder / student / "tcp_server.py")


def _grade(top: Path, jobs: int, rootfs: Path) -> Graded:
    """Grade the class in `top` by the real command, with the floor beside it."""
    runtime = top / "runtime"
    runtime.mkdir()
    before = _there()
    words = ["grade", "tcp-server", str(top / "class"), "--out", str(top / "run"), "--jobs", str(jobs)]
    ended = threading.Event()
    peaks = Peaks()
    with ThreadPoolExecutor(2) as beside, (top / "said").open("wb") as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "labgrader", *words],
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            process_group=0,
        )
        floors = beside.submit(_floors, rootfs, ended)
        watched = beside.submit(_watch, process.pid, runtime, peaks, ended)
        try:
            status = process.wait()
            wall_s = time.monotonic() - begun
        finally:
            ended.set()
            if process.poll() is None:
                process.terminate()
                process.wait()
        watched.result()
        floors_s = floors.result()
    if status != 0:
        words_of_it = (top / "said").read_text(errors="replace").strip()
        raise LabError(f"lab grade exited with {status}: {words_of_it or 'its own words stand above'}")
    deadline = time.monotonic() + GONE_S
    while (left := _left(runtime, before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return Graded(wall_s, peaks, left, floors_s)


def _watch(grader: int, runtime: Path, peaks: Peaks, ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_S):
        peaks.look(grader, {path.name for path in (runtime / "labgrader").glob("*")})


def _floors(rootfs: Path, ended: threading.Event) -> list[float]:
    """Wall seconds of the floor, over and over until all is graded; what outlasts that does not count."""
    found: list[float] = []
    while not ended.is_set() or not found:
        begun = time.monotonic()
        argv = [str(FLOOR), str(rootfs), str(SERVER)]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{FLOOR.name} exited with {done.returncode}: {done.stderr.strip()[-300:]}")
        if not ended.is_set() or not found:
            found.append(time.monotonic() - begun)
    return found


def _there() -> tuple[int, set[str], set[Path]]:
    """The number of mounts, the network devices, and the cgroups of labs."""
    mounts = len(Path("/proc/self/mountinfo").read_text().splitlines())
    return mounts, set(os.listdir("/sys/class/net")), set(cgroups.leftovers())


def _left(runtime: Path, before: tuple[int, set[str], set[Path]]) -> list[str]:
    """Processes, folders, cgroups, mounts and network devices that were not there before."""
    found = [str(path) for path in (runtime / "labgrader").glob("*")]
    mark = f"XDG_RUNTIME_DIR={runtime}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found += [f"process {entry.name}"] if mark in (entry / "environ").read_bytes() else []
        except OSError:
            continue
    mounts, devices, groups = _there()
    found += [f"network device {name}" for name in sorted(devices - before[1])]
    # One that has processes is that of a lab that others have made meanwhile; processes of ours are above.
    found += [f"cgroup {path}" for path in sorted(groups - before[2]) if _is_empty(path)]
    return found + ([f"{mounts - before[0]} mounts"] if mounts > before[0] else [])


def _is_empty(group: Path) -> bool:
    try:
        return not (group / "cgroup.procs").read_text().strip()
    except OSError:  # it has just been removed
        return False
