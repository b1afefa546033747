"""What a row says, and whose it is, when a class is graded again and again as it changes."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from labgrader import reporters
from labgrader.batch import difference, store
from labgrader.batch.work import Task
from labgrader.model.class_results import ClassResults, Row
from tests.batch import gradings
from tests.batch.canned import Canned, grade, hand_in, report_of, scores

EARLY = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
LATE = datetime.fromisoformat("2030-01-01T00:00:00+00:00")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def row_of(results: ClassResults, student: str) -> Row:
    (row,) = (row for row in results.rows if row.student == student)
    return row


# Whose fault it is


def test_what_we_cannot_read_has_no_score_and_is_tried_again(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", bob="bad", zoe="good")
    away = tmp_path / "away"

    def loses_zoe(task: Task) -> dict[str, Any]:
        if task.job.submission.student == "bob" and (students / "zoe").exists():
            shutil.move(students / "zoe", away)
        return report_of(task)

    results = grade(run, students, Canned(loses_zoe), jobs=1)
    zoe = row_of(results, "zoe")
    assert (zoe.status, zoe.score) == ("incomplete", None) and "there is no" in (zoe.trouble or "")
    with store.opened(run, write=False) as kept:
        assert {judging.report.status.value for judging in kept.judgings("zoe")} == {"incomplete"}
        assert len(kept.judgings("zoe")) == 2  # once more at the end
    shutil.move(away, students / "zoe")
    executor = Canned()
    assert scores(grade(run, students, executor)) == {"bob": 60.0, "zoe": 100.0}
    assert executor.asked == ["zoe"]


def test_what_can_be_read_at_the_second_try_is_graded(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", ann="good", bob="bad", zoe="good")
    away = tmp_path / "away"

    def loses_bob_for_a_while(task: Task) -> dict[str, Any]:
        if task.job.submission.student == "ann":
            shutil.move(students / "bob", away)
        if task.job.submission.student == "zoe":
            shutil.move(away, students / "bob")
        return report_of(task)

    executor = Canned(loses_bob_for_a_while)
    assert scores(grade(run, students, executor, jobs=1)) == {"ann": 100.0, "bob": 60.0, "zoe": 100.0}
    assert executor.asked == ["ann", "zoe", "bob"]


def test_a_score_that_was_there_is_there_again_and_nothing_has_changed(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", ann="good", bob="bad")
    grade(run, students, Canned())
    away = tmp_path / "away"

    def loses_bob(task: Task) -> dict[str, Any]:
        shutil.move(students / "bob", away)
        return report_of(task)

    hand_in(students, ann="good indeed")
    assert scores(grade(run, students, Canned(loses_bob), jobs=1))["bob"] is None
    shutil.move(away, students / "bob")
    executor = Canned()
    assert scores(grade(run, students, executor))["bob"] == 60.0
    assert executor.asked == []
    with store.opened(run, write=False) as kept:
        assert "bob" not in difference.sentences(difference.within(kept), ("a", "b"))


# Notes


def said_by(results: ClassResults, name: str) -> str:
    return b"\n".join(reporters.render(name, results).files.values()).decode()


@pytest.mark.parametrize("broken", ["ann", "bob"])
def test_the_notes_on_an_entry_are_those_of_this_grading_and_told_once(
    run: Path, tmp_path: Path, broken: str
) -> None:
    students = hand_in(tmp_path / "class", ann="good")
    (students / "bob").mkdir()
    (students / "bob" / "essay.txt").write_text("I could not do it.")
    late = "Late by the time of its newest file"
    results = grade(run, students, Canned(), deadline=EARLY)
    row = row_of(results, broken)
    assert row.late and row.report is not None and row.report.notes == ()
    for name in ("html", "gradescope", "junit"):
        assert said_by(results, name).count(late) == 2, name  # once for ann, once for bob
    executor = Canned()
    results = grade(run, students, executor, deadline=LATE)
    assert executor.asked == []
    for name in reporters.ALWAYS:
        assert late not in said_by(results, name), name
    assert "Late" not in (run / "reports" / f"{broken}.json").read_text()


def test_the_notes_on_the_files_are_in_the_report_and_in_every_format_once(run: Path, tmp_path: Path) -> None:
    students = tmp_path / "class"
    students.mkdir()
    (students / "ann.py").write_text("# good\n")
    results = grade(run, students, Canned(), deadline=EARLY)
    note = "ann.py was taken as tcp_server.py."
    assert json.loads((run / "reports" / "ann.json").read_text())["notes"] == [note]
    assert [text[:5] for text in row_of(results, "ann").all_notes] == ["Late ", "ann.p"]
    for name in ("html", "gradescope", "junit"):
        assert said_by(results, name).count(note) == 1, name


# Ids


def test_a_twin_that_is_added_later_renames_nobody(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", alice="good")
    grade(run, students, Canned())
    hand_in(students, Alice="bad")
    executor = Canned()
    results = grade(run, students, executor)
    (other,) = executor.asked
    assert re.fullmatch(r"Alice-[0-9a-f]{12}", other)
    assert scores(results) == {"alice": 100.0, other: 60.0}
    hand_in(students, ALICE="bad")
    results = grade(run, students, Canned())
    assert len(results.rows) == 3 and scores(results)["alice"] == 100.0 and scores(results)[other] == 60.0


def test_a_twin_that_is_taken_away_renames_nobody(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", alice="good", Alice="bad")
    before = scores(grade(run, students, Canned()))
    assert len(before) == 2
    shutil.rmtree(students / "Alice")
    executor = Canned()
    assert scores(grade(run, students, executor)) == before and executor.asked == []
    shutil.rmtree(students / "alice")
    hand_in(students, Alice="bad")
    assert scores(grade(run, students, executor)) == before and executor.asked == []


def test_the_command_remembers_ids(runtime: Path, tmp_path: Path) -> None:
    """The whole way of ./lab grade, with submissions that need no machine."""
    words = ["grade", "tcp-server", tmp_path / "class", "--out", tmp_path / "run", "--jobs", 1]
    found = []
    for student in ("alice", "Alice"):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "essay.txt").write_text("I could not do it.")
        assert gradings.run(words, runtime, tmp_path / "log") == 0, (tmp_path / "log").read_text()
        with (tmp_path / "run" / "gradebook.csv").open(encoding="utf-8-sig", newline="") as table:
            found.append([line["student"] for line in csv.DictReader(table)])
    assert found[0] == ["alice"]
    assert len(found[1]) == 2 and "alice" in found[1] and "Alice" not in found[1]
