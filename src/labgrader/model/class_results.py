"""What the grading of a class came to: a row a student, and the sums drawn from them. Pure; no I/O."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labgrader.model.results import Outcome, Report, Status

MISSING = "missing"
WAITING = "waiting"


class CheckColumn(NamedTuple):
    """A check of the lab, whether or not any student came as far as it."""

    id: str
    title: str
    points: float
    hidden: bool


@dataclass(frozen=True)
class Row:
    """One student, or one entry that is no student's; either `report` or `problem` says what became of it.

    `source` is the entry as it was found; `keys` are the student's ids elsewhere, by system: "moodle" (the
    participant's number), "canvas" (the user's id), "sis_user", "sis_login", "gradescope". `submitted` is
    RFC 3339. `problem` is a sentence for the instructor; with it there is no report, and no score. `notes`
    are on the entry, as that it is late; the report has its own on the files. `origin` is what the student's
    id was given for. `waiting`: there is a submission, and the grading has not come to it.
    """

    student: str
    name: str | None = None
    email: str | None = None
    source: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    submitted: str | None = None
    notes: tuple[str, ...] = ()
    report: Report | None = None
    problem: str | None = None
    origin: str = ""
    waiting: bool = False

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes on the entry and then the report's, each once."""
        return tuple(dict.fromkeys((*self.notes, *(self.report.notes if self.report else ()))))

    @property
    def score(self) -> float | None:
        """Points; None while incomplete, and where there is no report."""
        return self.report.score if self.report else None

    @property
    def status(self) -> str:
        """The report's status; where there is none, `waiting` for one or `missing`."""
        if self.report is not None:
            return self.report.status.value
        return WAITING if self.waiting else MISSING

    @property
    def trouble(self) -> str | None:
        """Why there is no score: what went wrong, as the instructor is told it; None where there is one."""
        if self.report is None:
            return self.problem or "There is no report, and no reason was told."
        if self.report.status is Status.INCOMPLETE:
            return self.report.error or "The grader failed, and no reason was told."
        return None


@dataclass(frozen=True)
class ClassResults:
    """A whole class on one lab. `started` and `finished` are RFC 3339."""

    lab: str
    title: str
    possible: float
    checks: tuple[CheckColumn, ...]
    rows: tuple[Row, ...]
    started: str = ""
    finished: str = ""
    provider: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How many students came to what; `graded` holds those with full marks, too."""

    students: int
    graded: int
    full: int
    rejected: int
    incomplete: int
    missing: int
    late: int
    waiting: int = 0


@dataclass(frozen=True)
class CheckTally:
    """One check over all graded students; `judged` leaves out those for whom it counted nothing."""

    check: CheckColumn
    judged: int
    passed: int
    failed: int
    blocked: int

    @property
    def lost(self) -> int:
        return self.failed + self.blocked


def counts(results: ClassResults) -> Counts:
    """The numbers of students by what became of them."""
    by_status = [row.status for row in results.rows]
    return Counts(
        students=len(results.rows),
        graded=by_status.count(Status.GRADED.value),
        full=sum(row.report is not None and row.report.full_marks for row in results.rows),
        rejected=by_status.count(Status.REJECTED.value),
        incomplete=by_status.count(Status.INCOMPLETE.value),
        missing=by_status.count(MISSING),
        late=sum(row.late for row in results.rows),
        waiting=by_status.count(WAITING),
    )


def scores(results: ClassResults) -> list[float]:
    """All scores in the order of the rows: graded and rejected ones, not incomplete and missing ones."""
    return [row.score for row in results.rows if row.score is not None]


def mean(results: ClassResults) -> float | None:
    """The mean of `scores`; None without any."""
    found = scores(results)
    return statistics.fmean(found) if found else None


def median(results: ClassResults) -> float | None:
    """The median of `scores`; None without any."""
    found = scores(results)
    return statistics.median(found) if found else None


def histogram(results: ClassResults, bins: int = 10) -> list[int]:
    """How many `scores` fall into each of `bins` equal parts of `possible`; full marks go to the last."""
    if bins < 1:
        raise ValueError("bins must be at least 1")
    found = [0] * bins
    for score in scores(results):
        part = int(score / results.possible * bins) if results.possible > 0 else bins - 1
        found[min(max(part, 0), bins - 1)] += 1
    return found


def hardest(results: ClassResults) -> list[CheckTally]:
    """The checks, those that cost most students their points first; of equals in the lab's order."""
    tallies = [_tally(results, CheckColumn(*check)) for check in results.checks]
    return sorted(tallies, key=lambda tally: -tally.lost)


def _tally(results: ClassResults, check: CheckColumn) -> CheckTally:
    outcomes = list(_outcomes(results, check.id))
    return CheckTally(
        check,
        judged=len(outcomes),
        passed=outcomes.count(Outcome.PASS),
        failed=outcomes.count(Outcome.FAIL),
        blocked=outcomes.count(Outcome.BLOCKED),
    )


def _outcomes(results: ClassResults, check_id: str) -> Iterator[Outcome]:
    for row in results.rows:
        if row.report is not None and row.report.status is Status.GRADED:
            for check in row.report.checks:
                if check.id == check_id and not check.quarantined:
                    yield check.outcome
