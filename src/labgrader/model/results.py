"""Outcomes of checks, reports of submissions and the sum of points. Pure; no I/O.

The report's JSON form is documented in docs/report-format.md and versioned by `FORMAT`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeGuard, TypeVar

FORMAT = "labgrader.report/1"
_Choice = TypeVar("_Choice", bound=StrEnum)


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
    quarantined: bool = False  # its verdict is not to be trusted: reported, and worth nothing

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
    retried: tuple[str, ...] = ()  # why earlier tries were given up: failures of ours
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
        counted = [check for check in self.checks if not check.quarantined]
        return self.status is Status.GRADED and all(c.outcome is Outcome.PASS for c in counted)

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
            "retried": list(self.retried),
            "limits": dict(self.limits),
            "timings": {name: round(value, 4) for name, value in self.timings.items()},
            "started": self.started,
            "finished": self.finished,
            "versions": dict(self.versions),
        }

    @classmethod
    def from_json(cls, data: object) -> Report:
        """The report that `to_json` gave this form, whatever was added to the form since.

        ValueError with the field's name if it is of another format, or lacks or mistypes a field.
        """
        read = _Fields(data, "the report")
        if read.text("format") != FORMAT:
            raise ValueError(f"the report's format is {read.text('format')[:40]!r}, not {FORMAT}")
        status = read.choice("status", Status)
        score = read.number("score") if status is Status.REJECTED else 0.0
        return cls(
            read.text("lab"),
            read.text("lab_digest"),
            read.text("provider"),
            read.numbers("parameters"),
            read.text("student"),
            read.text_or_none("submission_digest"),
            read.number("possible"),
            status,
            tuple(_check_from(item) for item in read.items("checks")),
            read.text_or_none("error"),
            tuple(map(str, read.items("notes"))),
            read.limits("limits"),
            read.numbers("timings"),
            read.text("started"),
            read.text("finished"),
            read.texts("versions"),
            tuple(map(str, read.items("retried"))) if "retried" in read else (),
            score,
        )


class _Fields:
    """An object of JSON data whose fields are asked for by type."""

    def __init__(self, data: object, name: str) -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{name} is not a JSON object")
        self._data = data
        self._name = name

    def _of(self, key: str, kind: type, words: str) -> Any:
        value = self._data.get(key)
        if not isinstance(value, kind):
            raise ValueError(f"{self._name}: {key} is not {words}")
        return value

    def text(self, key: str) -> str:
        return str(self._of(key, str, "text"))

    def text_or_none(self, key: str) -> str | None:
        return None if self._data.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        value = self._data.get(key)
        if not _is_number(value):
            raise ValueError(f"{self._name}: {key} is not a number")
        return float(value)

    def truth(self, key: str) -> bool:
        return key in self._data and bool(self._of(key, bool, "true or false"))

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def items(self, key: str) -> list[Any]:
        found: list[Any] = self._of(key, list, "an array")
        return found

    def mapping(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self._of(key, dict, "an object")
        return found

    def _each(self, key: str, good: Callable[[Any], bool], words: str) -> dict[str, Any]:
        found = self.mapping(key)
        for name, value in found.items():
            if not good(value):
                raise ValueError(f"{self._name}: {key}: {name[:40]} is not {words}")
        return found

    def numbers(self, key: str) -> dict[str, float]:
        return self._each(key, _is_number, "a number")

    def texts(self, key: str) -> dict[str, str]:
        return self._each(key, lambda value: isinstance(value, str), "text")

    def limits(self, key: str) -> dict[str, Any]:
        return self._each(key, _is_limit, "a limit")

    def choice(self, key: str, kind: type[_Choice]) -> _Choice:
        try:
            return kind(self.text(key))
        except ValueError as error:
            raise ValueError(f"{self._name}: {key} is none of {', '.join(kind)}") from error


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _is_limit(value: object) -> bool:
    return (
        isinstance(value, dict) and _is_number(value.get("value")) and isinstance(value.get("held_by"), str)
    )


def _check_from(data: object) -> CheckResult:
    read = _Fields(data, "a check")
    seen = [_Fields(item, "a piece of evidence") for item in read.items("evidence")]
    return CheckResult(
        read.text("id"),
        read.text("title"),
        read.number("points"),
        read.choice("outcome", Outcome),
        read.text("message"),
        read.text_or_none("hint"),
        read.text_or_none("blocked_by"),
        read.truth("hidden"),
        read.number("duration_s"),
        tuple(Evidence(item.text("title"), item.text("text")) for item in seen),
        read.truth("quarantined"),
    )


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
        "quarantined": check.quarantined,
    }


def status_of(checks: Sequence[CheckResult]) -> Status:
    """INCOMPLETE as soon as one check that counts is ours to answer for, else GRADED."""
    if any(check.outcome is Outcome.ERROR and not check.quarantined for check in checks):
        return Status.INCOMPLETE
    return Status.GRADED


def exit_status(report: Report) -> int:
    """The exit status of `lab check`: 0 full marks, 1 marks lost or rejected, 3 incomplete."""
    if report.status is Status.INCOMPLETE:
        return 3
    return 0 if report.full_marks else 1
