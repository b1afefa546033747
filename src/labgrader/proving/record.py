"""What a proof keeps of a report, as plain JSON data: enough to judge it again, and to compare it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from labgrader.model.results import Outcome, Report, Status


@dataclass(frozen=True)
class Told:
    """One check's part."""

    id: str
    points: float
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class Record:
    """One submission graded on one provider; `seconds` is how long that took, from create to destroy."""

    status: Status
    score: float | None
    possible: float
    error: str | None
    checks: tuple[Told, ...]
    seconds: float

    @property
    def incomplete(self) -> bool:
        return self.status is Status.INCOMPLETE

    @property
    def full_marks(self) -> bool:
        return self.status is Status.GRADED and all(told.outcome is Outcome.PASS for told in self.checks)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def of(report: Report) -> Record:
    """The record of a report."""
    checks = tuple(Told(check.id, check.points, check.outcome, check.message) for check in report.checks)
    seconds = round(sum(report.timings.values()), 3)
    return Record(report.status, report.score, report.possible, report.error, checks, seconds)


def from_json(data: dict[str, Any]) -> Record:
    """The record that `to_json` gave; KeyError, TypeError or ValueError for anything else."""
    checks = tuple(Told(**{**told, "outcome": Outcome(told["outcome"])}) for told in data["checks"])
    return Record(**{**data, "status": Status(data["status"]), "checks": checks})
