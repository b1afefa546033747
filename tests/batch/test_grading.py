"""What is graded and what is not, and what becomes of workers that die, with workers that answer at once."""

from __future__ import annotations

import io
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from labgrader import class_commands
from labgrader.batch import difference, grading, store, tables, work
from labgrader.batch.lanes import Lanes
from labgrader.batch.work import Setting, Task
from labgrader.errors import SpecError
from labgrader.intake.entries import Entry, entries, whole_class
from labgrader.model import spec
from labgrader.model.results import Status
from labgrader.providers import provider
from labgrader.runner import ATTEMPTS
from tests.batch.canned import ABOUT, Canned, grade, grade_in, hand_in, report_of, row_of, scores, setting
from tests.batch.gradings import LAB, ROOT


@pytest.fixture
def students(tmp_path: Path) -> Path:
    return hand_in(tmp_path / "class", ann="good", bob="bad", cleo="good")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def student_of(task: Task) -> str:
    return task.job.submission.student


def test_only_what_changed_is_graded(run: Path, students: Path) -> None:
    first, second, third, fourth = Canned(), Canned(), Canned(), Canned()
    grade(run, students, first)
    assert sorted(first.asked) == ["ann", "bob", "cleo"]
    hand_in(students, bob="good")
    assert scores(grade(run, students, second))["bob"] == 100.0
    assert second.asked == ["bob"]
    hand_in(students, bob="bad")  # back to the files that were graded before
    assert scores(grade(run, students, third))["bob"] == 60.0
    assert third.asked == []
    with store.opened(run, write=False) as kept:
        assert [judging.report.score for judging in kept.judgings("bob")] == [60.0, 100.0, 60.0]
        assert [judging.report.score for judging in kept.judgings("ann")] == [100.0]
    grade(run, students, fourth, chosen=setting(port=12000))
    assert sorted(fourth.asked) == ["ann", "bob", "cleo"]


def test_another_lab_digest_provider_or_grader_is_graded_anew(
    run: Path, students: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade(run, students, Canned())
    other = Canned()
    grade(run, students, other, chosen=replace(setting(), provider="vagrant"))
    assert len(other.asked) == 3
    monkeypatch.setattr(work, "grader_version", lambda: "0.2.0")
    newer = Canned()
    grade(run, students, newer)
    assert len(newer.asked) == 3
    shutil.copytree(LAB, tmp_path / "labs" / "tcp-server", ignore=shutil.ignore_patterns("mutants"))
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    lab = spec.load(tmp_path / "labs" / "tcp-server" / "lab.yaml")
    assert lab.digest != setting().lab.digest
    changed = Canned()
    grade(run, students, changed, chosen=Setting(lab, setting().parameters, "netns"))
    assert len(changed.asked) == 3


def test_two_students_with_the_same_files_are_both_graded(run: Path, students: Path) -> None:
    executor = Canned()
    grade(run, students, executor)
    with store.opened(run, write=False) as kept:
        digests = {name: kept.judgings(name)[0].key.submission for name in ("ann", "cleo")}
    assert digests["ann"] == digests["cleo"]
    assert {"ann", "cleo"} <= set(executor.asked)


def test_what_cannot_be_used_is_a_row_and_is_told_once(run: Path, students: Path) -> None:
    (students / "dan").mkdir()
    (students / "dan" / "essay.txt").write_text("I could not do it.")
    for _ in range(2):
        executor = Canned()
        results = grade(run, students, executor)
        assert "dan" not in executor.asked
    (row,) = (row for row in results.rows if row.student == "dan")
    assert row.status == "rejected" and row.score == 0.0
    with store.opened(run, write=False) as kept:
        assert len(kept.judgings("dan")) == 1


def test_who_is_gone_keeps_row_and_score(run: Path, students: Path) -> None:
    grade(run, students, Canned())
    shutil.rmtree(students / "ann")
    hand_in(students, dan="bad")
    results = grade(run, students, Canned())
    assert scores(results) == {"bob": 60.0, "cleo": 100.0, "dan": 60.0, "ann": 100.0}
    assert "not among the submissions any more" in " ".join(results.rows[-1].notes)


def test_an_entry_with_a_problem_is_a_row_without_a_score(run: Path, students: Path) -> None:
    found = [*entries(students, files=["tcp_server.py"]), Entry("dan", "dan", problem="Handed in twice.")]
    run.mkdir()
    with store.opened(run, write=True) as kept:
        results = grade_in(kept, found, Canned())
    assert scores(results)["dan"] is None
    assert {row.student: row.trouble for row in results.rows}["dan"] == "Handed in twice."


@pytest.mark.parametrize("death", [BrokenProcessPool("a process was ended"), SystemExit(1)])
def test_a_worker_that_dies_loses_nothing(run: Path, students: Path, death: BaseException) -> None:
    seen: Counter[str] = Counter()

    def dies_once(task: Task) -> dict[str, Any]:
        seen[student_of(task)] += 1
        if seen[student_of(task)] == 1:
            raise death
        return report_of(task)

    assert scores(grade(run, students, Canned(dies_once))) == {"ann": 100.0, "bob": 60.0, "cleo": 100.0}
    assert set(seen.values()) == {2}


def test_a_submission_that_ends_its_workers_is_incomplete_and_no_endless_loop(
    run: Path, students: Path
) -> None:
    def ends_its_worker(task: Task) -> dict[str, Any]:
        if student_of(task) == "bob":
            raise BrokenProcessPool("a process was ended")
        return report_of(task)

    executor = Canned(ends_its_worker)
    results = grade(run, students, executor)
    assert scores(results) == {"ann": 100.0, "bob": None, "cleo": 100.0}
    (bob,) = (row for row in results.rows if row.student == "bob")
    assert "The worker process that graded it was ended, 2 times" in (bob.trouble or "")
    assert executor.asked.count("bob") == 4  # twice at first, twice when it was quieter


def test_a_worker_that_does_not_end_is_ended(
    run: Path, students: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(grading.PATIENCE_S, "netns", 0.05 - setting().lab.limits.wall_s)

    class Stuck(Canned):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            return Future() if student_of(args[0]) == "bob" else super().submit(fn, *args, **kwargs)

        def end(self, future: Future[Any]) -> None:
            future.set_exception(BrokenProcessPool("a process was ended"))

    results = grade(run, students, Stuck())
    assert scores(results) == {"ann": 100.0, "bob": None, "cleo": 100.0}
    (bob,) = (row for row in results.rows if row.student == "bob")
    assert "did not come to its end in time, 2 times" in (bob.trouble or "")


def test_a_job_that_waits_for_a_worker_is_not_overdue(
    run: Path, students: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster whose workers pause for longer than a job may take."""
    patience_s = 0.05
    monkeypatch.setitem(grading.PATIENCE_S, "netns", patience_s / ATTEMPTS - setting().lab.limits.wall_s)

    paused: list[tuple[float, Task, Future[Any]]] = []

    class Pausing(Canned):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if student_of(args[0]) != "bob":
                return super().submit(fn, *args, **kwargs)
            paused.append((time.monotonic(), args[0], Future()))
            return paused[-1][2]

        def waits(self, future: Future[Any]) -> bool:
            begun, task, _ = next(item for item in paused if item[2] is future)
            if time.monotonic() < begun + 20 * patience_s:
                return True
            future.set_result(report_of(task))
            return False

        def end(self, future: Future[Any]) -> None:
            if not future.done():
                future.set_exception(BrokenProcessPool("a process was ended"))

    assert scores(grade(run, students, Pausing())) == {"ann": 100.0, "bob": 60.0, "cleo": 100.0}
    assert len(paused) == 1


def test_who_is_gone_and_was_incomplete_does_not_keep_the_exit_status_at_3(
    run: Path, students: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails_for_bob(task: Task) -> dict[str, Any]:
        return report_of(task, status=Status.INCOMPLETE if student_of(task) == "bob" else Status.GRADED)

    def status(executor: Canned) -> int:
        found = whole_class(students, files=["tcp_server.py"])
        workers = cast(Lanes, executor)
        return class_commands._graded(run, setting(), provider("netns"), found, workers, 2, {}, None)

    run.mkdir()
    assert status(Canned(fails_for_bob)) == 3
    shutil.rmtree(students / "bob")
    assert status(Canned(fails_for_bob)) == 0
    assert "bob" in capsys.readouterr().out  # he is told all the same


def test_a_filled_export_of_an_earlier_grading_is_told(run: Path, students: Path) -> None:
    results = grade(run, students, Canned())
    export = (
        "Identifier,Full name,Grade,Maximum Grade,Last modified (grade)\r\nParticipant 1,ann,,100.00,-\r\n"
    )
    with store.opened(run, write=True) as kept:
        written, told = tables.write(kept, results, {"moodle": export.encode()}, None)
        assert "moodle.csv" in written and (run / "moodle.csv").exists()
        written, told = tables.write(kept, results, {}, None)
    assert "moodle.csv" not in written
    assert told == [
        "moodle.csv is that of an earlier grading; ./lab report --as moodle --template … writes it anew."
    ]


def test_who_has_a_problem_now_has_no_old_result(run: Path, students: Path) -> None:
    grade(run, students, Canned())
    assert (run / "classroom" / "bob.json").exists()
    found = [
        replace(entry, problem="Handed in twice.") if entry.student == "bob" else entry
        for entry in entries(students, files=["tcp_server.py"])
    ]
    with store.opened(run, write=True) as kept:
        assert scores(grade_in(kept, found, Canned())) == {"ann": 100.0, "bob": None, "cleo": 100.0}
    left = {path.parent.name for path in run.rglob("*bob*")}
    assert left == set(), left
    with store.opened(run, write=False) as kept:
        assert len(kept.judgings("bob")) == 1


def test_an_answer_that_is_none_is_incomplete_with_its_reason(run: Path, students: Path) -> None:
    answers: dict[str, dict[str, Any]] = {
        "ann": {"fault": "no machine"},
        "bob": {},
        "cleo": {"report": {"format": "x"}},
    }
    results = grade(run, students, Canned(lambda task: answers[student_of(task)]))
    told = {row.student: row.trouble or "" for row in results.rows}
    assert told["ann"] == "no machine"
    assert "gave no report that can be read" in told["bob"]
    assert "the report's format is 'x'" in told["cleo"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("timings", {"a": "x"}, "timings: a is not a number"),
        ("timings", {"a": 10**400}, "timings: a is not a number"),
        ("timings", {"a": float("nan")}, "timings: a is not a number"),
        ("possible", 10**400, "possible is not a number"),
        ("versions", {"python": ["3.11"]}, "versions: python is not text"),
        ("limits", {"wall_s": 90}, "limits: wall_s is not a limit"),
        ("parameters", {"port": "<b>"}, "parameters: port is not a number"),
    ],
)
def test_one_bad_report_does_not_end_the_others(
    run: Path, students: Path, field: str, value: object, said: str
) -> None:
    def bad_for_bob(task: Task) -> dict[str, Any]:
        answer = report_of(task)
        if student_of(task) == "bob":
            answer["report"][field] = value
        return answer

    results = grade(run, students, Canned(bad_for_bob))
    assert scores(results) == {"ann": 100.0, "bob": None, "cleo": 100.0}
    (bob,) = (row for row in results.rows if row.student == "bob")
    assert said in (bob.trouble or "")


def test_the_incomplete_are_tried_again_with_fewer_at_once(run: Path, students: Path) -> None:
    seen: Counter[str] = Counter()

    def at_last(task: Task) -> dict[str, Any]:
        seen[student_of(task)] += 1
        wrong = student_of(task) == "bob" and seen["bob"] < 3
        return report_of(task, status=Status.INCOMPLETE if wrong else Status.GRADED)

    said = io.StringIO()
    results = grade(run, students, Canned(at_last), jobs=8, said=said)
    assert scores(results)["bob"] == 60.0
    assert seen == {"ann": 1, "bob": 3, "cleo": 1}
    assert said.getvalue().splitlines() == [
        "1 incomplete; trying again, 4 at once…",
        "1 incomplete; trying again, one at a time…",
    ]


def test_a_class_of_which_nothing_can_be_graded_is_not_tried_again(run: Path, tmp_path: Path) -> None:
    students = hand_in(tmp_path / "class", **{f"s{number}": "good" for number in range(grading.HOPELESS)})
    executor = Canned(lambda task: report_of(task, status=Status.INCOMPLETE))
    grade(run, students, executor)
    assert len(executor.asked) == grading.HOPELESS
    again = Canned()
    assert set(scores(grade(run, students, again)).values()) == {100.0}  # the next time it is


def test_a_broken_lab_ends_it_and_what_was_kept_is_kept(run: Path, students: Path) -> None:
    def broken_at_cleo(task: Task) -> dict[str, Any]:
        return (
            {"spec": "checks/test_x.py:3: no such fixture"} if student_of(task) == "cleo" else report_of(task)
        )

    with pytest.raises(SpecError, match="no such fixture"):
        grade(run, students, Canned(broken_at_cleo), jobs=1)
    with store.opened(run, write=False) as kept:
        told = tables.summary(tables.results(kept))
    assert "3 students: 1 with full marks, 1 with marks lost, 1 not graded yet." in told
    assert "Not graded:" not in told and "cleo" not in told
    executor = Canned()
    grade(run, students, executor)
    assert executor.asked == ["cleo"]


def test_a_lab_that_is_changed_meanwhile_ends_it(run: Path, students: Path, tmp_path: Path) -> None:
    shutil.copytree(LAB, tmp_path / "labs" / "tcp-server", ignore=shutil.ignore_patterns("mutants"))
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    folder = tmp_path / "labs" / "tcp-server"
    chosen = Setting(spec.load(folder / "lab.yaml"), setting().parameters, "netns")

    def changes_at_bob(task: Task) -> dict[str, Any]:
        if student_of(task) == "bob":
            next(folder.glob("checks/test_*.py")).write_text("# easier\n")
        return report_of(task)

    with pytest.raises(SpecError, match="was changed while it was being graded"):
        grade(run, students, Canned(changes_at_bob), chosen=chosen, jobs=1)
    with store.opened(run, write=False) as kept:
        assert [len(kept.judgings(name)) for name in ("ann", "bob", "cleo")] == [1, 0, 0]


def test_the_difference_names_the_score_the_check_and_the_cause(
    run: Path, students: Path, tmp_path: Path
) -> None:
    grade(run, students, Canned())
    hand_in(students, bob="good")
    other = tmp_path / "other"
    grade(other, students, Canned())
    grade(run, students, Canned())
    with store.opened(run, write=False) as kept, store.opened(other, write=False) as there:
        within = difference.sentences(difference.within(kept), ("a", "b"))
        assert difference.sentences(difference.between(kept, there), ("a", "b")) == (
            "Nothing changed: 3 students compared.\n"
        )
    assert within == (
        "bob: 60 of 100 → 100 of 100 (+40); changed: the submission\n"
        "    prints_message: fail (0 of 40) → pass (40 of 40): Not printed.\n"
        "1 student changed, 0 did not.\n"
    )


def test_the_difference_names_who_is_on_one_side_only(run: Path, students: Path, tmp_path: Path) -> None:
    grade(run, students, Canned())
    grade(tmp_path / "other", hand_in(tmp_path / "late", dan="bad", ann="good"), Canned())
    with store.opened(run, write=False) as kept, store.opened(tmp_path / "other", write=False) as there:
        said = difference.sentences(difference.between(kept, there), ("run", "other"))
    assert said.splitlines() == [
        "bob: 60 of 100, in run only",
        "cleo: 100 of 100, in run only",
        "dan: 60 of 100, in other only",
        "3 students changed, 1 did not.",
    ]


def test_the_difference_tells_who_lost_a_score_by_a_problem_and_who_got_one(
    run: Path, students: Path, tmp_path: Path
) -> None:
    grade(run, students, Canned())
    twice = [
        replace(entry, problem="Handed in twice.") if entry.student == "bob" else entry
        for entry in entries(students, files=["tcp_server.py"])
    ]
    other = tmp_path / "other"
    other.mkdir()
    with store.opened(other, write=True) as there, store.opened(run, write=False) as kept:
        grade_in(there, twice, Canned())
        lost = difference.between(kept, there)
        gained = difference.between(there, kept)
    assert [change.student for change in lost if change.is_one] == ["bob"]
    assert difference.sentences(lost, ("a", "b")) == (
        "bob: 60 of 100 → no score (missing)\n    Handed in twice.\n1 student changed, 2 did not.\n"
    )
    assert difference.sentences(gained, ("b", "a")) == (
        "bob: no score (missing) → 60 of 100\n1 student changed, 2 did not.\n"
    )
    with store.opened(run, write=True) as kept:
        grade_in(kept, twice, Canned())
        assert difference.sentences(difference.within(kept), ("a", "b")) == (
            "bob: 60 of 100 → no score (missing)\n    Handed in twice.\n1 student changed, 0 did not.\n"
        )
    grade(run, students, Canned())
    with store.opened(run, write=False) as kept:
        assert difference.within(kept) == []


def test_the_difference_does_not_count_a_judging_of_another_lab(run: Path, students: Path) -> None:
    grade(run, students, Canned())
    rows = [row_of(entry) for entry in entries(students, files=["tcp_server.py"])]
    with store.opened(run, write=True) as kept:
        kept.begin({**ABOUT, "lab": "network-services"}, rows)
        said = difference.sentences(difference.within(kept), ("a", "b"))
    assert said.splitlines()[:2] == [
        "ann: 100 of 100 → no score (waiting)",
        f"    {tables.UNREACHED}",
    ]
