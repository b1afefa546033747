"""Gradings with workers that answer at once: the same driver and the same store, without machines."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from labgrader.batch import store, tables
from labgrader.batch.grading import Grading
from labgrader.batch.progress import Progress
from labgrader.batch.store import Store
from labgrader.batch.work import Setting, Task
from labgrader.intake.entries import Entry, known_before, whole_class
from labgrader.model import spec
from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import CheckResult, Outcome, Report, Status
from tests.batch.gradings import LAB

ABOUT = {"lab": "tcp-server", "title": "A server", "possible": 100.0, "provider": "netns", "started": "now"}
Answer = Callable[[Task], dict[str, Any]]


def setting(**parameters: int) -> Setting:
    lab = spec.load(LAB / "lab.yaml")
    return Setting(
        lab, spec.parameters(lab, {name: str(value) for name, value in parameters.items()}), "netns"
    )


def report_of(task: Task, *, status: Status = Status.GRADED) -> dict[str, Any]:
    """A report that depends on the files alone: 100 points if they hold the word good, else 60."""
    good = b"good" in task.job.submission.files["tcp_server.py"]
    checks = (
        CheckResult("starts", "It starts", 60.0, Outcome.PASS),
        CheckResult(
            "prints_message", "It prints", 40.0, Outcome.PASS if good else Outcome.FAIL, "Not printed."
        ),
    )
    lab = task.job.lab
    report = Report(
        lab=lab.name,
        lab_digest=lab.digest,
        provider=task.provider,
        parameters=task.job.parameters,
        student=task.job.submission.student,
        submission_digest=task.job.submission.digest,
        possible=100.0,
        status=status,
        checks=checks,
        notes=task.job.submission.notes,
        error="a machine did not come up" if status is Status.INCOMPLETE else None,
        started="2026-03-01T08:00:00.000Z",
        finished="2026-03-01T08:00:01.000Z",
    )
    return {"report": report.to_json()}


@dataclass
class Canned(Executor):
    """Answers each task by a function; what it raises is what the future has. Notes who was asked for."""

    answer: Answer = report_of
    asked: list[str] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task: Task = args[0]
        self.asked.append(task.job.submission.student)
        future: Future[Any] = Future()
        try:
            future.set_result(self.answer(task))
        except BaseException as error:
            future.set_exception(error)
        return future


def hand_in(folder: Path, **servers: str) -> Path:
    """Each student's tcp_server.py with this text."""
    for student, text in servers.items():
        (folder / student).mkdir(parents=True, exist_ok=True)
        (folder / student / "tcp_server.py").write_text(f"# {text}\nimport socket\n")
    return folder


def grade(
    run: Path, students: Path, executor: Executor, *, deadline: datetime | None = None, **kwargs: Any
) -> ClassResults:
    """The class's results after a grading with this executor."""
    run.mkdir(exist_ok=True)
    found = whole_class(students, deadline=deadline, files=["tcp_server.py"])
    with store.opened(run, write=True) as kept:
        return grade_in(kept, known_before(found, kept.given()).entries, executor, **kwargs)


def grade_in(
    kept: Store,
    found: Sequence[Entry],
    executor: Executor,
    *,
    chosen: Setting | None = None,
    jobs: int = 2,
    said: io.StringIO | None = None,
) -> ClassResults:
    kept.begin(ABOUT, [row_of(entry) for entry in found])
    progress = Progress(len(found), said or io.StringIO())
    Grading(chosen or setting(), kept, executor, progress).run(found, jobs)
    results = tables.results(kept)
    tables.write(kept, results, {}, None)
    kept.end("now")
    return replace(results)


def row_of(entry: Entry) -> Row:
    return Row(
        entry.student,
        source=entry.source,
        late=entry.late,
        notes=entry.notes,
        problem=entry.problem,
        origin=entry.origin,
    )


def scores(results: ClassResults) -> dict[str, float | None]:
    return {row.student: row.score for row in results.rows}
