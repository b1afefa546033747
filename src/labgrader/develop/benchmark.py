"""What checking one tcp_server.py costs, beside the least that it can cost (benchmarks/floor.sh).

Both are run in turn, so that whatever else the machine does falls on both; the answer is their ratio.
Docs: docs/decisions/0005-what-the-benchmark-measures.md.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labgrader.errors import LabError
from labgrader.providers.netns import image

ROOT = Path(__file__).resolve().parents[3]
FLOOR = ROOT / "benchmarks" / "floor.sh"
SERVER = ROOT / "labs" / "tcp-server" / "reference" / "tcp_server.py"
WALL_BUDGET_S = 2.0
RATIO_BUDGET = 3.0
AT_ONCE = 8
PATIENCE_S = 180.0
SAMPLE_S = 0.01
PHASES = ("create_s", "apply_s", "checks_s", "destroy_s")


@dataclass(frozen=True)
class Run:
    """One command's wall seconds, and for ours the report's timings."""

    wall_s: float
    timings: dict[str, float]


def measure(runs: int) -> dict[str, Any]:
    """Measure `runs` pairs after one warm-up pair, the memory once, and eight at once; plain data.

    Raises LabError when a run did not give full marks, or the floor did not do all of its work.
    """
    rootfs = image.ensure()[0]
    floor = [str(FLOOR), str(rootfs), str(SERVER)]
    pairs: list[tuple[Run, Run]] = []
    for number in range(runs + 1):
        pair = (_check(), _timed(floor))
        if number:
            pairs.append(pair)
    ours, least = [a for a, _ in pairs], [b for _, b in pairs]
    ratios = [a.wall_s / b.wall_s for a, b in pairs]
    phases = {name: _median(run.timings[name] for run in ours) for name in PHASES}
    start_up = _median(run.wall_s - sum(run.timings[name] for name in PHASES) for run in ours)
    check_s, ratio = _median(run.wall_s for run in ours), statistics.median(ratios)
    with tempfile.TemporaryDirectory() as folder:
        memory_mb, cpu_s = _watched(_argv(Path(folder) / "report.json"))
    floor_memory_mb, floor_cpu_s = _watched(floor)
    return {
        "runs": runs,
        "check_s": check_s,
        "floor_s": _median(run.wall_s for run in least),
        "ratio": {"min": round(min(ratios), 2), "median": round(ratio, 2), "max": round(max(ratios), 2)},
        "split_s": {"start_up": start_up, **{name.removesuffix("_s"): phases[name] for name in PHASES}},
        "cpu_s": {"check": cpu_s, "floor": floor_cpu_s},
        "peak_memory_mb": {"check": memory_mb, "floor": floor_memory_mb},
        "at_once": {"labs": AT_ONCE, "wall_s": _at_once(AT_ONCE)},
        "budget": {
            "wall_s": WALL_BUDGET_S,
            "ratio": RATIO_BUDGET,
            "holds": check_s <= WALL_BUDGET_S and ratio <= RATIO_BUDGET,
        },
    }


def sentences(found: dict[str, Any]) -> str:
    """The measurements for a person, a line each."""
    ratio, at_once = found["ratio"], found["at_once"]
    cpu, memory = found["cpu_s"], found["peak_memory_mb"]
    split = "  ".join(f"{name.replace('_', '-')} {value:.3f}" for name, value in found["split_s"].items())
    holds = "holds" if found["budget"]["holds"] else "does not hold"
    rows = [
        ("./lab check tcp-server", f"{found['check_s']:.3f} s (median of {found['runs']})"),
        ("benchmarks/floor.sh", f"{found['floor_s']:.3f} s"),
        ("pair by pair", f"{ratio['median']:.2f} times the floor ({ratio['min']:.2f} to {ratio['max']:.2f})"),
        ("where the seconds go", split),
        ("processor time", f"{cpu['check']:.2f} s (floor: {cpu['floor']:.2f} s)"),
        ("peak memory", f"{memory['check']:.0f} MB in all processes (floor: {memory['floor']:.0f} MB)"),
        (
            f"{at_once['labs']} at once",
            f"{at_once['wall_s']:.3f} s, {at_once['wall_s'] / at_once['labs']:.3f} s a lab",
        ),
        ("budget", f"{holds}: at most {WALL_BUDGET_S:g} s and at most {RATIO_BUDGET:g} times the floor"),
    ]
    return "".join(f"{name:24} {value}\n" for name, value in rows)


def _argv(report: Path) -> list[str]:
    return [str(ROOT / "lab"), "check", "tcp-server", str(SERVER), "--json", str(report)]


def _check() -> Run:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        run = _timed(_argv(report))
        return Run(run.wall_s, _timings(report))


def _timings(report: Path) -> dict[str, float]:
    found = json.loads(report.read_text(encoding="utf-8"))
    if found["score"] != found["possible"]:
        raise LabError(
            f"The reference got {found['score']} of {found['possible']}, so its time says nothing."
        )
    return {name: float(found["timings"][name]) for name in PHASES}


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0
    )


def _timed(argv: Sequence[str]) -> Run:
    """Run a command to its end."""
    begun = time.monotonic()
    process = _start(argv)
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{Path(argv[0]).name} did not end within {PATIENCE_S:.0f} s.") from error
    finally:
        _end(process)
    _must_be_well(process.returncode, argv, said)
    return Run(time.monotonic() - begun, {})


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _must_be_well(status: int, argv: Sequence[str], said: bytes) -> None:
    if status != 0:
        words = " / ".join(said.decode("utf-8", "replace").strip().splitlines()[-3:])
        raise LabError(f"{Path(argv[0]).name} exited with {status}: {words or 'no word of why'}")


def _at_once(count: int) -> float:
    """Wall seconds of `count` commands started together, each with full marks."""
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / f"{number}.json" for number in range(count)]
        begun = time.monotonic()
        processes = [_start(_argv(report)) for report in reports]
        try:
            for process, report in zip(processes, reports, strict=True):
                _, said = process.communicate(timeout=PATIENCE_S)
                _must_be_well(process.returncode, _argv(report), said)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{count} labs at once did not end within {PATIENCE_S:.0f} s.") from error
        finally:
            for process in processes:
                _end(process)
        wall = time.monotonic() - begun
        for report in reports:
            _timings(report)
    return round(wall, 3)


def _watched(argv: Sequence[str]) -> tuple[float, float]:
    """The most memory (MB) and processor time (s) that a command's processes were seen with, all together.

    In a run of its own, because looking takes time. A process that is waited for leaves its time to its
    parent, and one that ends with its pid namespace leaves it to nobody: hence the most that was seen.
    """
    process = _start(argv)
    memory_kb, ticks = 0, 0
    try:
        while process.poll() is None:
            there = family(process.pid)
            ticks = max(ticks, sum(map(_ticks, there)))
            memory_kb = max(memory_kb, sum(map(proportional_kb, there)))
            time.sleep(SAMPLE_S)
        assert process.stderr is not None
        _must_be_well(process.returncode, argv, process.stderr.read())
    finally:
        _end(process)
    return round(memory_kb / 1024, 1), round(ticks / os.sysconf("SC_CLK_TCK"), 2)


def family(pid: int) -> list[int]:
    """A process and all that come from it and have not been orphaned; whoever has just ended is left out."""
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def proportional_kb(pid: int) -> int:
    """A process's share of memory (PSS); what others map as well counts by their number (proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _ticks(pid: int) -> int:
    """Clock ticks of a process and of its children that it has waited for (proc(5): fields 14 to 17)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)
