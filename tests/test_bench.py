"""The benchmark: the bare script does all of its work or fails, and what is printed was measured.

Nothing here is timed: a busy machine must not fail a test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from labgrader.develop import benchmark, class_answers, class_benchmark
from labgrader.errors import LabError
from labgrader.model import spec
from labgrader.model.results import CheckResult, Outcome, Report, Status
from labgrader.providers.netns import cgroups, image

ROOT = Path(__file__).resolve().parents[1]
FLOOR = ROOT / "benchmarks" / "floor.sh"
REFERENCE = ROOT / "labs" / "tcp-server" / "reference" / "tcp_server.py"
FOUND = {
    "runs": 3,
    "check_s": 1.25,
    "floor_s": 0.5,
    "ratio": {"min": 2.0, "median": 2.5, "max": 3.75},
    "split_s": {"start_up": 0.4, "create": 0.15, "apply": 0.1, "checks": 0.55, "destroy": 0.05},
    "cpu_s": {"check": 0.98, "floor": 0.29},
    "peak_memory_mb": {"check": 123.4, "floor": 16.1},
    "at_once": {"labs": 8, "wall_s": 6.0},
    "budget": {"wall_s": 2.0, "ratio": 3.0, "holds": True},
}
SENTENCES = """\
./lab check tcp-server   1.250 s (median of 3)
benchmarks/floor.sh      0.500 s
pair by pair             2.50 times the floor (2.00 to 3.75)
where the seconds go     start-up 0.400  create 0.150  apply 0.100  checks 0.550  destroy 0.050
processor time           0.98 s (floor: 0.29 s)
peak memory              123 MB in all processes (floor: 16 MB)
8 at once                6.000 s, 0.750 s a lab
budget                   holds: at most 2 s and at most 3 times the floor
"""


@pytest.fixture(scope="module")
def rootfs() -> Path:
    return image.ensure()[0]


def floor(rootfs: Path, server: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FLOOR, rootfs, server], capture_output=True, text=True, timeout=120)


def test_the_measurements_read_well() -> None:
    assert benchmark.sentences(FOUND) == SENTENCES
    missed = {**FOUND, "budget": {"holds": False}}
    assert benchmark.sentences(missed).splitlines()[-1].split(maxsplit=1)[1].startswith("does not hold: ")


@pytest.mark.namespaces
def test_the_floor_does_its_work_says_its_seconds_and_leaves_nothing(rootfs: Path) -> None:
    done = floor(rootfs, REFERENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 < float(done.stdout) < 120
    deadline = time.monotonic() + 10
    while left := processes_in(rootfs):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("line", "instead", "complaint"),
    [
        ('print(f"message: {message!r}", flush=True)', "pass", "was expected and 'client: "),
        ("import sys", "import no_such_module", "'listens' was expected and 'ended' came"),
    ],
)
def test_the_floor_fails_when_the_server_does_not_do_it_all(
    rootfs: Path, tmp_path: Path, line: str, instead: str, complaint: str
) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    assert line in text
    server = tmp_path / "tcp_server.py"
    server.write_text(text.replace(line, instead), encoding="utf-8")
    done = floor(rootfs, server)
    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr


@pytest.mark.namespaces
def test_the_floor_says_so_when_there_is_no_image(tmp_path: Path) -> None:
    done = floor(tmp_path / "rootfs", REFERENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"floor: there is no image {tmp_path / 'rootfs'}; ./lab check makes one\n"


@pytest.mark.namespaces
@pytest.mark.slow
def test_bench_measures_both_and_splits_the_time(tmp_path: Path) -> None:
    argv = [sys.executable, "-P", "-m", "labgrader", "bench", "--runs", "2", "--json", "bench.json"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert done.stdout == benchmark.sentences(found)
    assert found["runs"] == 2
    assert found["ratio"]["min"] <= found["ratio"]["median"] <= found["ratio"]["max"]
    assert all(seconds > 0 for seconds in found["split_s"].values())
    # Medians of parts do not add up to the median of the whole, but they are not far from it.
    assert sum(found["split_s"].values()) == pytest.approx(found["check_s"], rel=0.5)
    assert found["cpu_s"]["check"] > found["cpu_s"]["floor"] > 0
    assert found["peak_memory_mb"]["check"] > found["peak_memory_mb"]["floor"] > 1
    assert found["at_once"]["wall_s"] > 0
    assert found["budget"]["holds"] == (found["check_s"] <= 2 and found["ratio"]["median"] <= 3)


def processes_in(rootfs: Path) -> list[str]:
    """Processes that stand in the image, as the floor's own do."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(rootfs):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


CLASS_FOUND = {
    "students": 300,
    "kinds": {"right": 150, "wrong": 120, "hostile": 30},
    "jobs": 4,
    "processors": 2,
    "wall_s": 200.04,
    "a_minute": 90.0,
    "lane_s": 2.667,
    "floor_s": 1.25,
    "floor_runs": 160,
    "times_the_floor": 2.13,
    "peak_memory_mb": 401.2,
    "grader_memory_mb": 86.0,
    "memory_mb_a_lab": 180.3,
    "disks_mb_a_lab": 20.1,
    "cgroups_mb_a_lab": 120.0,
    "left_behind": [],
    "budget": {"a_minute": 60.0, "memory_mb_a_lab": 200.0, "holds": True},
}
CLASS_SENTENCES = """\
submissions              300 (150 right, 120 wrong, 30 hostile), 4 at once, all graded right
processors               2
graded                   in 200.0 s, 90 a minute
benchmarks/floor.sh      1.250 s, the mean of 160 runs beside it
a submission             2.667 s of one of 4 lanes: 2.13 times the floor
a lab in flight          at most 180 MB, 20 MB of it on its disks
its hosts' cgroups       at most 120 MB, page cache included
all together             at most 401 MB, 86 MB of it the grader's own
left behind              nothing
budget                   holds: at least 60 a minute, at most 200 MB a lab, nothing left behind
"""
FILLER = class_benchmark.HOSTILE / "fills_every_writable_place.py"


def test_the_measurements_of_a_class_read_well() -> None:
    assert class_benchmark.sentences(CLASS_FOUND) == CLASS_SENTENCES
    without = class_benchmark.sentences({**CLASS_FOUND, "cgroups_mb_a_lab": None})
    assert "its hosts' cgroups       none\n" in without


def test_a_class_to_measure_is_a_tenth_hostile(tmp_path: Path) -> None:
    handed_in = class_benchmark.class_of(60)
    class_benchmark.make_class(tmp_path / "class", handed_in)
    assert Counter(kind for kind, _ in handed_in.values()) == {"right": 30, "wrong": 24, "hostile": 6}
    assert len(list((tmp_path / "class").glob("*/tcp_server.py"))) == 60


def a_report(student: str, *lost: str, blocked: tuple[str, ...] = ()) -> Report:
    """A report in which these checks are lost."""
    ids = ("starts", "prints_client_address", "prints_message", "closes_connection", "port_reusable")
    outcomes = dict.fromkeys(lost, Outcome.FAIL) | dict.fromkeys(blocked, Outcome.BLOCKED)
    checks = [CheckResult(one, one, 20.0, outcomes.get(one, Outcome.PASS)) for one in ids]
    return Report(
        "tcp-server", "sha256:1", "netns", {}, student, "sha256:2", 100.0, Status.GRADED, tuple(checks)
    )


def test_all_right_means_what_each_submission_is_made_for() -> None:
    lab, hostile = class_benchmark.LAB, class_benchmark.HOSTILE
    handed_in = {
        "ann": ("right", REFERENCE),
        "bob": ("wrong", lab / "mutants" / "close-without-parentheses" / "tcp_server.py"),
        "cleo": ("hostile", FILLER),
        "dan": ("hostile", hostile / "crowds_its_own_queue.py"),
    }
    good = {
        "ann": a_report("ann"),
        "bob": a_report("bob", "closes_connection", blocked=("port_reusable",)),
        "cleo": a_report("cleo"),
        "dan": a_report("dan", "prints_message"),
    }
    class_answers.must_be_right(good, handed_in)
    for student, bad, said in (
        ("ann", a_report("ann", "prints_message"), r"ann \(right: tcp_server\): also loses prints_message"),
        ("bob", a_report("bob"), r"bob \(wrong: close-without-parentheses\): it loses nothing"),
        ("bob", a_report("bob", "closes_connection"), r"does not lose port_reusable"),
        ("cleo", a_report("cleo", "starts"), r"cleo \(hostile: fills_every_writable_place\): also loses"),
        ("dan", replace(good["dan"], status=Status.INCOMPLETE, error="gone"), r"dan .*: incomplete: gone"),
    ):
        with pytest.raises(LabError, match=said):
            class_answers.must_be_right({**good, student: bad}, handed_in)
    with pytest.raises(LabError, match=r"1 of 4 are not graded right:\n  ann .*: has no report"):
        class_answers.must_be_right({name: good[name] for name in ("bob", "cleo", "dan")}, handed_in)


def test_every_hostile_program_says_what_it_must_come_to(tmp_path: Path) -> None:
    programs = sorted(class_benchmark.HOSTILE.glob("*.py"))
    owed = [class_answers.expected(program) for program in programs]
    assert any(one is None for one in owed) and any(one and one.fails for one in owed)
    (tmp_path / "mute.py").write_text("import socket\n")
    with pytest.raises(LabError, match=r"mute\.py begins with no expectation"):
        class_answers.expected(tmp_path / "mute.py")


@pytest.mark.namespaces
def test_a_class_is_measured(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_in = {**class_benchmark.class_of(2), "student0002": ("hostile", FILLER)}
    monkeypatch.setattr(class_benchmark, "class_of", lambda _: handed_in)
    monkeypatch.setattr(class_benchmark, "SAMPLE_S", 0.1)
    found = class_benchmark.measure(3, 2)
    assert found["kinds"] == {"right": 1, "wrong": 1, "hostile": 1}
    assert found["left_behind"] == []
    assert found["wall_s"] > 0.5 and found["floor_runs"] >= 1
    assert found["times_the_floor"] == pytest.approx(found["lane_s"] / found["floor_s"], rel=0.01)
    limits = spec.load(class_benchmark.LAB / "lab.yaml").limits
    places = 5 * limits.disk_mb
    assert 0.9 * places < found["disks_mb_a_lab"] < places + 10
    assert found["disks_mb_a_lab"] + 20 < found["memory_mb_a_lab"] < found["peak_memory_mb"] < 1000
    first = class_benchmark.sentences(found).splitlines()[0]
    assert first == "submissions              3 (1 right, 1 wrong, 1 hostile), 2 at once, all graded right"


@pytest.mark.namespaces
def test_what_a_grading_says_when_it_fails_is_told(
    tmp_path: Path, rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_benchmark, "make_class", lambda folder, _: folder.write_text("no class"))
    with pytest.raises(LabError, match="lab grade exited with 2"):
        class_benchmark.measure(1, 1)


def test_a_cgroup_that_is_left_is_told_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    before = class_benchmark._there()
    for name, inside in (("labgrader-0-v0", ""), ("labgrader-1-v0", "17\n"), ("other", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(inside)
    (tmp_path / "runtime").mkdir()
    assert class_benchmark._left(tmp_path / "runtime", before) == [f"cgroup {tmp_path}/labgrader-0-v0"]
