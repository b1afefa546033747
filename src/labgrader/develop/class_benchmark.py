"""What grading a class costs: labs a minute, memory a lab in flight, and what is left behind.

Beside it the floor (benchmarks/floor.sh), as many at once, in turns before and after, so that what else the
machine does falls on both. Docs: docs/decisions/0005-what-the-benchmark-measures.md.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from labgrader.develop.benchmark import FLOOR, ROOT, SERVER, family, proportional_kb
from labgrader.errors import LabError
from labgrader.providers.netns import image

LAB = ROOT / "labs" / "tcp-server"
HOSTILE = ROOT / "tests" / "submissions" / "hostile"
RATE_BUDGET = 60.0  # labs a minute, for tcp-server with 4 at once on 2 processors
MEMORY_BUDGET_MB = 200.0  # a lab in flight
FLOOR_RUNS = 20  # before, and again after
SAMPLE_S = 0.5
GONE_S = 10.0


def measure(students: int, jobs: int) -> dict[str, Any]:
    """Grade a class of so many, a tenth of it hostile, `jobs` at once, and measure; plain data.

    Raises LabError if a submission is not graded, or the reference does not have full marks.
    """
    rootfs = image.ensure()[0]
    with tempfile.TemporaryDirectory(prefix="lg-bench-", dir="/tmp") as name:
        top = Path(name)
        kinds = make_class(top / "class", students)
        before = _floor_s(rootfs, jobs)
        wall_s, memory_mb, left = _grade(top, jobs)
        after = _floor_s(rootfs, jobs)
        reports = [json.loads(path.read_text()) for path in (top / "run" / "reports").iterdir()]
    _must_be_right(reports, students)
    floor_rate = 60 / statistics.mean([before, after])
    rate = students / wall_s * 60
    return {
        "students": students,
        "kinds": dict(kinds),
        "jobs": jobs,
        "processors": len(os.sched_getaffinity(0)),
        "wall_s": round(wall_s, 1),
        "a_minute": round(rate, 1),
        "floor_a_minute": round(floor_rate, 1),
        "times_the_floor": round(floor_rate / rate, 2),
        "peak_memory_mb": round(memory_mb, 1),
        "memory_mb_a_lab": round(memory_mb / jobs, 1),
        "left_behind": left,
        "budget": {
            "a_minute": RATE_BUDGET,
            "memory_mb_a_lab": MEMORY_BUDGET_MB,
            "holds": rate >= RATE_BUDGET and memory_mb / jobs <= MEMORY_BUDGET_MB and not left,
        },
    }


def sentences(found: dict[str, Any]) -> str:
    """The measurements for a person, a line each."""
    budget = found["budget"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items())
    memory, a_lab = found["peak_memory_mb"], found["memory_mb_a_lab"]
    rate, most = budget["a_minute"], budget["memory_mb_a_lab"]
    holds = "holds" if budget["holds"] else "does not hold"
    rows = [
        ("submissions", f"{found['students']} ({kinds}), {found['jobs']} at once"),
        ("processors", str(found["processors"])),
        ("graded", f"in {found['wall_s']:.1f} s, {found['a_minute']:.0f} a minute"),
        ("benchmarks/floor.sh", f"{found['floor_a_minute']:.0f} a minute, as many at once, before and after"),
        ("cost", f"{found['times_the_floor']:.2f} times the floor of the reference"),
        ("peak memory", f"{memory:.0f} MB in all processes, {a_lab:.0f} MB a lab in flight"),
        ("left behind", ", ".join(found["left_behind"]) or "nothing"),
        ("budget", f"{holds}: at least {rate:g} a minute, at most {most:g} MB a lab, nothing left behind"),
    ]
    return "".join(f"{name:24} {value}\n" for name, value in rows)


def make_class(folder: Path, students: int) -> Counter[str]:
    """Submissions of so many students: a tenth hostile, the others references and mutants in turn."""
    hostile = sorted(HOSTILE.glob("*.py"))
    mutants = sorted(LAB.glob("mutants/*/tcp_server.py"))
    kinds: Counter[str] = Counter()
    for number in range(students):
        if number % 10 == 9:
            kind, source = "hostile", hostile[number // 10 * 7 % len(hostile)]
        elif number % 2:
            kind, source = "wrong", mutants[number // 2 % len(mutants)]
        else:
            kind, source = "right", SERVER
        kinds[kind] += 1
        (folder / f"student{number:04}").mkdir(parents=True)
        shutil.copy(source, folder / f"student{number:04}" / "tcp_server.py")
    return kinds


def _grade(top: Path, jobs: int) -> tuple[float, float, list[str]]:
    """Wall seconds, the most memory (MB) of all processes together, and what is left behind."""
    runtime = top / "runtime"
    runtime.mkdir()
    mounts, links = _mounts(), set(os.listdir("/sys/class/net"))
    words = ["grade", "tcp-server", str(top / "class"), "--out", str(top / "run"), "--jobs", str(jobs)]
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "labgrader", *words],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
    ended = threading.Event()
    peak = [0]

    def watch() -> None:
        while not ended.wait(SAMPLE_S):
            peak[0] = max(peak[0], sum(map(proportional_kb, family(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = process.wait()
        wall_s = time.monotonic() - begun
    finally:
        ended.set()
        watcher.join()
        if process.poll() is None:
            process.terminate()
            process.wait()
    if status != 0:
        raise LabError(f"lab grade exited with {status}; its own words stand above.")
    deadline = time.monotonic() + GONE_S
    while (left := _left(runtime, mounts, links)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return wall_s, peak[0] / 1024, left


def _left(runtime: Path, mounts: int, links: set[str]) -> list[str]:
    """Processes, folders, mounts and network devices that were not there before."""
    found = [str(path) for path in (runtime / "labgrader").glob("*")]
    mark = f"XDG_RUNTIME_DIR={runtime}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found += [f"process {entry.name}"] if mark in (entry / "environ").read_bytes() else []
        except OSError:
            continue
    found += [f"network device {name}" for name in sorted(set(os.listdir("/sys/class/net")) - links)]
    return found + ([f"{_mounts() - mounts} mounts"] if _mounts() > mounts else [])


def _mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def _floor_s(rootfs: Path, jobs: int) -> float:
    """Wall seconds for one run of the floor, with `jobs` at once."""
    argv: Sequence[str] = [str(FLOOR), str(rootfs), str(SERVER)]

    def one(_: int) -> None:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{FLOOR.name} exited with {done.returncode}: {done.stderr.strip()[-300:]}")

    begun = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, range(FLOOR_RUNS)))
    return (time.monotonic() - begun) / FLOOR_RUNS


def _must_be_right(reports: Sequence[dict[str, Any]], students: int) -> None:
    """Every submission has a score, and the reference full marks."""
    if len(reports) != students:
        raise LabError(f"{len(reports)} of {students} submissions have a report.")
    for report in reports:
        number = int(report["student"].removeprefix("student"))
        right = number % 10 != 9 and number % 2 == 0
        if report["status"] == "incomplete" or (right and report["score"] != report["possible"]):
            raise LabError(
                f"{report['student']} is {report['status']} with {report['score']}: {report['error'] or ''}"
            )
