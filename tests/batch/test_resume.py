"""Whatever is on the disk when all ends, the same grading goes on: nobody twice, nobody dropped."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labgrader.batch import files, folder, store, tables
from labgrader.errors import LabError
from tests.batch.canned import Canned, grade, hand_in, scores
from tests.batch.gradings import ROOT

STUDENTS = {"ann": "good", "bob": "bad", "cleo": "good"}
SCORES = {"ann": 100.0, "bob": 60.0, "cleo": 100.0}


@pytest.fixture
def students(tmp_path: Path) -> Path:
    return hand_in(tmp_path / "class", **STUDENTS)


class Camera:
    """Copies RUN before each call that makes a file durable or names it, as a power cut would find it."""

    def __init__(self, run: Path, to: Path) -> None:
        self.run = run
        self.to = to
        self.copies: list[Path] = []
        self.last: dict[str, bytes] = {}

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.shoot()
            return real(*args, **kwargs)

        return call

    def shoot(self) -> None:
        paths = sorted(
            path for path in self.run.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"
        )
        seen = {str(path): path.read_bytes() for path in paths}
        if seen != self.last:
            self.last = seen
            self.copies.append(self.to / f"{len(self.copies):04}")
            shutil.copytree(self.run, self.copies[-1])


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Camera]:
    taken = Camera(tmp_path / "run", tmp_path / "copies")
    monkeypatch.setattr(os, "fsync", taken.before(os.fsync))
    monkeypatch.setattr(Path, "replace", taken.before(Path.replace))
    with monkeypatch.context() as patched:
        real = sqlite3.connect

        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = real(*args, **kwargs)
            connection.set_trace_callback(lambda _: taken.shoot())
            return connection

        patched.setattr(sqlite3, "connect", connect)
        yield taken


def goes_on_to_the_same(copy: Path, students: Path) -> list[str]:
    """Grade on in a copy; who was asked for."""
    executor = Canned()
    with folder.held(copy):
        results = grade(copy, students, executor)
    assert scores(results) == SCORES, copy
    with sqlite3.connect(copy / "run.sqlite") as connection:
        judged = [
            student for (student,) in connection.execute("SELECT student FROM judging ORDER BY student")
        ]
    assert judged == sorted(STUDENTS), copy
    assert len(set(executor.asked)) == len(executor.asked)
    for student in STUDENTS:
        assert (copy / "reports" / f"{student}.json").stat().st_size > 100
    assert [path for path in copy.rglob("*") if path.name.startswith(files.TEMPORARY)] == []
    return executor.asked


def test_a_power_cut_between_any_two_writes(
    camera: Camera, students: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.held(camera.run):
        grade(camera.run, students, Canned())
    monkeypatch.undo()
    finished = (camera.run / "gradebook.csv").read_bytes()
    assert len(camera.copies) > 15
    asked = set()
    for copy in camera.copies:
        # What a killed grader left under names of its own: this process is still alive.
        for path in copy.rglob(f"{files.TEMPORARY}*"):
            path.rename(path.with_name(path.name.replace(str(os.getpid()), "999999999")))
        asked.add(len(goes_on_to_the_same(copy, students)))
        assert (copy / "gradebook.csv").read_bytes() == finished
    assert asked == {0, 1, 2, 3}


def test_a_log_that_was_cut_off_anywhere(tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with store.opened(
        run, write=True
    ):  # a second opening: without it the log is gone when the first one ends
        grade(run, students, Canned())
        shutil.copytree(run, tmp_path / "whole")
    length = (tmp_path / "whole" / "run.sqlite-wal").stat().st_size
    asked = set()
    for cut in range(0, length, length // 25):
        copy = tmp_path / f"cut{cut}"
        shutil.copytree(tmp_path / "whole", copy)
        os.truncate(copy / "run.sqlite-wal", cut)
        (copy / "run.sqlite-shm").unlink()
        if not holds_tables(copy, tmp_path / "look"):
            shutil.rmtree(copy / "reports")  # which are written when the log is on the disk
        asked.add(len(goes_on_to_the_same(copy, students)))
    assert asked == {0, 1, 2, 3}


def holds_tables(run: Path, scratch: Path) -> bool:
    """Whether SQLite finds tables in RUN; asked of a copy, for it changes what it opens."""
    shutil.copytree(run, scratch)
    with contextlib.closing(sqlite3.connect(scratch / "run.sqlite")) as connection:
        found = bool(connection.execute("SELECT * FROM sqlite_master").fetchall())
    shutil.rmtree(scratch)
    return found


def modes(run: Path) -> dict[str, set[int]]:
    """The modes of the folders and of the files in RUN, itself included."""
    paths = [run, *run.rglob("*")]
    return {
        "folders": {path.stat().st_mode & 0o777 for path in paths if path.is_dir()},
        "files": {path.stat().st_mode & 0o777 for path in paths if path.is_file()},
    }


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path, students: Path, usual_umask: None) -> None:
    run, given = tmp_path / "made" / "run", tmp_path / "given"
    with folder.held(run), store.opened(run, write=True):  # the second opening keeps the log in its file
        grade(run, students, Canned())
        assert {path.name for path in run.glob("run.sqlite*")} == {
            "run.sqlite",
            "run.sqlite-shm",
            "run.sqlite-wal",
        }
        assert modes(run) == {"folders": {0o700}, "files": {0o600}}
    given.mkdir(0o755)
    with folder.held(given):
        grade(given, students, Canned())
    assert given.stat().st_mode & 0o777 == 0o755
    assert modes(given) == {"folders": {0o700, 0o755}, "files": {0o600}}


def test_what_an_older_labgrader_left_readable_is_closed(
    tmp_path: Path, students: Path, usual_umask: None
) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    for path in run.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    grade(run, students, Canned())
    assert modes(run)["files"] == {0o600}


def test_files_that_are_gone_or_wrong_are_made_anew(tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    right = (run / "reports" / "ann.json").read_bytes()
    (run / "reports" / "ann.json").write_text('{"score": 1000}')
    (run / "reports" / "bob.json").unlink()
    executor = Canned()
    assert scores(grade(run, students, executor)) == SCORES
    assert executor.asked == []
    assert (run / "reports" / "ann.json").read_bytes() == right
    assert (run / "reports" / "bob.json").exists()


@pytest.mark.parametrize("page", [0, 3])
def test_a_damaged_database_is_told_and_not_written_over(page: int, tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    data = bytearray((run / "run.sqlite").read_bytes())
    size = int.from_bytes(data[16:18], "big")
    data[page * size : page * size + 100] = b"\xff" * 100
    (run / "run.sqlite").write_bytes(data)
    with pytest.raises(LabError, match=r"run\.sqlite is damaged .*Move it away"):
        grade(run, students, Canned())
    assert (run / "run.sqlite").read_bytes() == data
    assert len(list((run / "reports").iterdir())) == len(STUDENTS)


def test_reports_without_what_they_were_made_from_are_left_alone(tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    before = {path.name: path.read_bytes() for path in (run / "reports").iterdir()}
    (run / "run.sqlite").write_bytes(b"")
    with pytest.raises(LabError, match=r"damaged \(it is empty, and reports are there\)"):
        grade(run, students, Canned())
    assert {path.name: path.read_bytes() for path in (run / "reports").iterdir()} == before


@pytest.mark.parametrize("change", ["UPDATE about SET value = '{'", "UPDATE student SET entry = '{}'"])
def test_damage_that_only_we_can_see_is_told_as_such(change: str, tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    with contextlib.closing(sqlite3.connect(run / "run.sqlite", isolation_level=None)) as connection:
        connection.execute(change)
    with (
        pytest.raises(LabError, match=r"run\.sqlite is damaged .*Move it away"),
        store.opened(run, write=False) as kept,
    ):
        tables.results(kept)


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -P -m labgrader report "$1"'


def test_what_may_not_be_written_can_be_read(tmp_path: Path, students: Path) -> None:
    run = tmp_path / "run"
    grade(run, students, Canned())
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh", str(run), sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    told = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("tcp-server: 3 students: 2 with full marks, 1 with marks lost.")
