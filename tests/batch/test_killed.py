"""Real gradings that are killed, stopped and starved of disk, and that come to the same tables after all."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.batch import gradings
from tests.batch.gradings import kill_one, until

pytestmark = [pytest.mark.namespaces, pytest.mark.long]
JOBS = 4
# Among others RUN has a table of about 60 KB for six students; this is less than all of it.
DISK = "160k"


def grade_words(students: Path, run: Path) -> list[object]:
    return ["grade", "tcp-server", students, "--out", run, "--jobs", JOBS]


def judged(run: Path) -> dict[str, int]:
    """How many final judgings each student has."""
    if not (run / "run.sqlite").exists():
        return {}
    try:
        with sqlite3.connect(run / "run.sqlite") as connection:
            found = connection.execute(
                "SELECT student, count(*) FROM judging WHERE status != 'incomplete' GROUP BY student"
            )
            return dict(found.fetchall())
    except sqlite3.OperationalError:
        return {}


@pytest.mark.slow
def test_three_kills_and_the_same_tables(runtime: Path, tmp_path: Path) -> None:
    students = gradings.mixed_class(tmp_path / "class", 5, 6)
    log = tmp_path / "log"
    assert gradings.run(grade_words(students, tmp_path / "peace"), runtime, log) == 0, log.read_text()
    run = tmp_path / "run"
    chance = random.Random(4)
    process = gradings.start(grade_words(students, run), runtime, log)
    until(lambda: len(judged(run)) >= 2, "two are judged")
    until(lambda: kill_one(process.pid, "worker", chance), "a worker is killed")
    until(lambda: len(judged(run)) >= 4, "four are judged")
    until(lambda: kill_one(process.pid, "forkserver", chance), "whoever forks workers is killed")
    until(lambda: len(judged(run)) >= 6, "six are judged")
    assert kill_one(process.pid, "grader", chance)
    process.wait()
    before = judged(run)
    assert len(before) < 12
    assert gradings.run(grade_words(students, run), runtime, log) == 0, log.read_text()
    assert gradings.tables(run) == gradings.tables(tmp_path / "peace")
    assert set(judged(run).values()) == {1} and len(judged(run)) == 12
    assert "doing it again" in log.read_text()


def test_a_session_and_a_supervisor_are_killed_and_the_tables_are_the_same(
    runtime: Path, tmp_path: Path
) -> None:
    students = gradings.mixed_class(tmp_path / "class", 1, 3)
    log, run = tmp_path / "log", tmp_path / "run"
    assert gradings.run(grade_words(students, tmp_path / "peace"), runtime, log) == 0, log.read_text()
    chance = random.Random(4)
    process = gradings.start(grade_words(students, run), runtime, log)
    for kind in ("session", "supervisor"):
        until(partial(kill_one, process.pid, kind, chance), f"a {kind} is killed")
    assert process.wait(gradings.PATIENCE_S) == 0, log.read_text()
    reports = [json.loads(path.read_text()) for path in (run / "reports").iterdir()]
    assert any(report["retried"] for report in reports), "no kill came to a lab that was graded"
    assert gradings.tables(run) == gradings.tables(tmp_path / "peace")
    assert set(judged(run).values()) == {1} and len(judged(run)) == 5


def test_ctrl_c_keeps_what_is_done_and_only_one_may_grade_at_once(runtime: Path, tmp_path: Path) -> None:
    students, run = gradings.reference_class(tmp_path / "class", 6), tmp_path / "run"
    log, second = tmp_path / "log", tmp_path / "second"
    process = gradings.start(grade_words(students, run), runtime, log)
    until(lambda: judged(run), "one is judged")
    assert gradings.run(grade_words(students, run), runtime, second) == 2
    said = second.read_text()
    assert f"A grading in {run} is under way already: process {process.pid} on " in said
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert (
        log.read_text() == f"Stopped. What is graded is kept in {run}; the same command goes on from there.\n"
    )
    assert gradings.left_over_after(runtime, 10.0) == []
    kept = judged(run)
    assert 0 < len(kept) < 6
    assert all((run / "reports" / f"{student}.json").exists() for student in kept)
    assert gradings.run(grade_words(students, run), runtime, log) == 0
    assert judged(run) == {f"student{number:03}": 1 for number in range(6)}


def test_a_full_disk_loses_nothing(runtime: Path, tmp_path: Path) -> None:
    """In a mount namespace, with RUN on a tmpfs that is too small, and then large enough."""
    students, run = gradings.reference_class(tmp_path / "class", 6), tmp_path / "run"
    kept = tmp_path / "kept"
    words = [sys.executable, "-P", "-m", "labgrader", *map(str, grade_words(students, run))]
    script = f"""
        mount -t tmpfs -o size={DISK} tmpfs {run} || exit 90
        "$@"; echo "full: $?"
        cp -r {run} {kept}
        mount -o remount,size=20m {run} || exit 91
        "$@"; echo "mended: $?"
        rm -rf {kept}2; cp -r {run} {kept}2
    """
    run.mkdir()
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", *root, "--mount", "sh", "-c", script, "sh", *words],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(gradings.ROOT / "src")},
        cwd=gradings.ROOT,
        capture_output=True,
        text=True,
        timeout=gradings.PATIENCE_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "full: 3", done
    assert "mend that, and the same command goes on" in done.stderr
    assert lines[-1] == "mended: 0", done
    first = judged(kept)
    assert 0 < len(first) < 6
    assert judged(tmp_path / "kept2") == {f"student{number:03}": 1 for number in range(6)}
    assert (tmp_path / "kept2" / "gradebook.csv").read_bytes().count(b",100,100,graded,") == 6


def lab(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that ends before anything is graded."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(gradings.ROOT / "src")},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["class"], "needs --out RUN"),
        (["class", "--out", "class/run"], "among the submissions; name a folder outside of it"),
        (["class", "--out", "class"], "among the submissions"),
        (["class", "--out", "."], "lie in it; name another folder"),
        (["class", "--out", "link/run"], "among the submissions"),
        (["class", "--out", "full"], "holds other things (thesis.txt)"),
        (["roster.csv", "--out", "class/student000/run"], "among the submissions"),
        (["nothing", "--out", "run"], "nothing"),
        (["class", "--out", "run", "--template", "roster.csv"], "can be filled in as none of canvas, moodle"),
        (["class", "--out", "run", "--deadline", "soon"], "soon is not a deadline"),
        (["class", "--out", "run", "--set", "port"], "write it as NAME=VALUE"),
    ],
)
def test_wrong_calls_are_told_before_anything_is_made(tmp_path: Path, words: list[Any], said: str) -> None:
    gradings.reference_class(tmp_path / "class", 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "class")
    (tmp_path / "roster.csv").write_text("id,name,email,path\nann,Ann,,class/student000\n")
    before = sorted(tmp_path.rglob("*"))
    done = lab("grade", "tcp-server", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert said in done.stderr and "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_roster_beside_run(runtime: Path, tmp_path: Path) -> None:
    gradings.reference_class(tmp_path / "class", 2)
    (tmp_path / "roster.csv").write_text("id,name,path\nann,Ann,class/student000\nbob,Bob,\n")
    words = ["grade", "tcp-server", tmp_path / "roster.csv", "--out", tmp_path / "run"]
    for log in (runtime / "log1", runtime / "log2"):
        assert gradings.run(words, runtime, log) == 0
        assert log.read_text().splitlines()[2:-1] == [
            "Not graded:",
            "  bob: nothing was handed in for bob.",
            "Belongs to no student, and was left out:",
            "  class/student001: it belongs to nobody on the roster",
        ]
    assert judged(tmp_path / "run") == {"ann": 1}


def test_report_and_diff_of_a_real_grading(runtime: Path, tmp_path: Path) -> None:
    students, run = gradings.mixed_class(tmp_path / "class", 1, 1), tmp_path / "run"
    log = tmp_path / "log"
    assert gradings.run(grade_words(students, run), runtime, log) == 0
    first = log.read_text().splitlines()
    assert first[0] == "tcp-server: 3 students: 1 with full marks, 1 with marks lost, 1 rejected."
    assert first[2] == "Rejected:"
    assert first[3].startswith("  zoe: no tcp_server.py in zoe/; it holds notes.txt.")
    assert first[-1].endswith(": gradebook.csv, report.html, junit.xml, gradescope/, classroom/, reports/")

    shown = lab("report", run, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(first[0]) and "  moodle " in shown.stdout
    (run / "gradebook.csv").rename(tmp_path / "old.csv")
    assert lab("report", run, "--as", "gradebook", cwd=tmp_path).returncode == 0
    assert (run / "gradebook.csv").read_bytes() == (tmp_path / "old.csv").read_bytes()
    assert lab("report", run, "--as", "classroom", "--out", tmp_path / "there", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [
        f"{student}.json" for student in sorted(["address-without-port", "student000", "zoe"])
    ]
    for words, said in (
        (["report", run, "--as", "excel"], "there is gradebook"),
        (["report", run, "--as", "moodle"], "--template"),
        (["report", tmp_path / "class"], "is no folder of a grading"),
        (["diff", run, tmp_path / "nowhere"], "is not there"),
    ):
        wrong = lab(*words, cwd=tmp_path)
        assert (wrong.returncode, wrong.stdout) == (2, "") and said in wrong.stderr, wrong

    nothing = lab("diff", run, cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "Nothing changed: 0 students compared.\n")
    shutil.copy(gradings.LAB / "mutants/address-without-port/tcp_server.py", students / "student000")
    old = shutil.copytree(run, tmp_path / "old")
    assert gradings.run(grade_words(students, run), runtime, log) == 0
    changed = lab("diff", run, cwd=tmp_path)
    assert changed.returncode == 1
    assert changed.stdout.splitlines()[0] == (
        "student000: 100 of 100 → 85 of 100 (-15); changed: the submission"
    )
    assert changed.stdout.splitlines()[1].startswith(
        "    prints_client_address: pass (15 of 15) → fail (0 of 15): "
    )
    assert changed.stdout.splitlines()[-1] == "1 student changed, 0 did not."
    two = lab("diff", old, run, cwd=tmp_path)
    assert two.returncode == 1
    assert two.stdout.splitlines()[:2] == changed.stdout.splitlines()[:2]
    assert two.stdout.splitlines()[-1] == "1 student changed, 2 did not."
