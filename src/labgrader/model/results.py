"""Outcomes of checks, reports of submissions and the sum of points. Pure; no I/O.

The report's JSON form is documented in docs/report-format.md and versioned by `FORMAT`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FORMAT = "labgrader.report/1"


class Outcome(StrEnum):
    """What became of one check, and thereby whose matter it is."""

    PASS = "pass"
    FAIL = "fail"  # the student's answer is wrong
    BLOCKED = "blocked"  # it builds on a check that failed
    ERROR = "error"  # our machinery or the check itself broke; costs nobody points


class Status(StrEnum):
    """What the report as a whole is."""

    GRADED = "graded"
    REJECTED = "rejected"  # the submission could not be used at all
    INCOMPLETE = "incomplete"  # we failed; there is no score


@dataclass(frozen=True)
class Evidence:
    """Something seen during a check, as data: a title and the text (already made printable)."""

    title: str
    text: str


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome; `message` is the sentence that the student reads."""

    id: str
    title: str
    points: float
    outcome: Outcome
    message: str = ""
    hint: str | None = None
    blocked_by: str | None = None
    hidden: bool = False
    duration_s: float = 0.0
    evidence: tuple[Evidence, ...] = ()

    @property
    def earned(self) -> float:
        return self.points if self.outcome is Outcome.PASS else 0.0


@dataclass(frozen=True)
class Report:
    """What is known about one submission on one lab; `to_json` gives the documented form."""

    lab: str
    lab_digest: str
    provider: str
    parameters: Mapping[str, Any]
    student: str
    submission_digest: str | None
    possible: float
    status: Status
    checks: tuple[CheckResult, ...] = ()
    error: str | None = None
    notes: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    rejected_score: float = 0.0  # what the lab gives a submission that could not be used

    @property
    def score(self) -> float | None:
        """Points earned; what the lab declares (0) for a rejected submission, None while incomplete."""
        if self.status is Status.INCOMPLETE:
            return None
        if self.status is Status.REJECTED:
            return self.rejected_score
        return round(sum(check.earned for check in self.checks), 6)

    @property
    def full_marks(self) -> bool:
        return self.status is Status.GRADED and all(c.outcome is Outcome.PASS for c in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON data, in the order and with the names of the contract."""
        return {
            "format": FORMAT,
            "lab": self.lab,
            "lab_digest": self.lab_digest,
            "provider": self.provider,
            "parameters": dict(self.parameters),
            "student": self.student,
            "submission_digest": self.submission_digest,
            "status": self.status.value,
            "score": self.score,
            "possible": self.possible,
            "checks": [_check_json(check) for check in self.checks],
            "error": self.error,
            "notes": list(self.notes),
            "limits": dict(self.limits),
            "timings": {name: round(value, 4) for name, value in self.timings.items()},
            "started": self.started,
            "finished": self.finished,
            "versions": dict(self.versions),
        }


def _check_json(check: CheckResult) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "points": check.points,
        "earned": check.earned,
        "outcome": check.outcome.value,
        "blocked_by": check.blocked_by,
        "message": check.message,
        "hint": check.hint,
        "hidden": check.hidden,
        "duration_s": round(check.duration_s, 4),
        "evidence": [dataclasses.asdict(item) for item in check.evidence],
    }


def status_of(checks: Sequence[CheckResult]) -> Status:
    """INCOMPLETE as soon as one check is ours to answer for, else GRADED."""
    if any(check.outcome is Outcome.ERROR for check in checks):
        return Status.INCOMPLETE
    return Status.GRADED


def exit_status(report: Report) -> int:
    """The exit status of `lab check`: 0 full marks, 1 marks lost or rejected, 3 incomplete."""
    if report.status is Status.INCOMPLETE:
        return 3
    return 0 if report.full_marks else 1
