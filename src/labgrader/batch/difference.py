"""Whose score changed between two gradings, and which check did it. Pure, but for reading the stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labgrader.batch import tables
from labgrader.batch.store import Judging, Key, Store
from labgrader.model.class_results import Row
from labgrader.model.results import CheckResult, Report
from labgrader.printable import printable
from labgrader.reporters.student_text import number

MESSAGE = 160
# In the words of whoever asks why: what a report is final for.
CAUSES = {
    "submission": "the submission",
    "lab": "the lab",
    "parameters": "the parameters",
    "provider": "the provider",
    "grader": "labgrader",
}


@dataclass(frozen=True)
class Standing:
    """A student's row in the tables, and what its report was made from; None where it has no report."""

    row: Row
    key: Key | None

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        return self.row.report.checks if self.row.report is not None else ()


@dataclass(frozen=True)
class Change:
    """One student on two sides; None where the student is not on that one."""

    student: str
    before: Standing | None
    after: Standing | None

    @property
    def is_one(self) -> bool:
        """Whether score, status, the reason for having none, or a check's outcome or worth is another."""
        if self.before is None or self.after is None:
            return True
        return _standing(self.before) != _standing(self.after) or bool(
            _changed_checks(self.before.checks, self.after.checks)
        )


def between(old: Store, new: Store) -> list[Change]:
    """Each student of either class, as its tables have them: a problem takes a score away, too."""
    before, after = _standings(old), _standings(new)
    return [Change(student, before.get(student), after.get(student)) for student in sorted({*before, *after})]


def within(store: Store) -> list[Change]:
    """Each student who was judged anew, or has a problem now: the row now, and the last judging before.

    What was tried again because it was incomplete is the same judging.
    """
    changes = []
    for student, now in sorted(_standings(store).items()):
        judgings = store.judgings(student)
        former = next((one for one in judgings if one.key != now.key), None)
        if former is not None:
            changes.append(Change(student, _judged(former), now))
    return changes


def sentences(changes: Iterable[Change], names: tuple[str, str]) -> str:
    """The changes for a person, and a last line that counts; `names` are those of the two sides."""
    compared = list(changes)
    found = [change for change in compared if change.is_one]
    lines = [line for change in found for line in _lines(change, names)]
    same = len(compared) - len(found)
    if not found:
        lines.append(f"Nothing changed: {_students(same)} compared.")
    else:
        lines.append(f"{_students(len(found))} changed, {same} did not.")
    return "\n".join(lines) + "\n"


def _lines(change: Change, names: tuple[str, str]) -> list[str]:
    student = printable(change.student)
    old, new = change.before, change.after
    if old is None or new is None:
        there, where = (new, names[1]) if old is None else (old, names[0])
        assert there is not None
        return [f"{student}: {_score(there.row)}, in {printable(where)} only"]
    step = ""
    if old.row.score is not None and new.row.score is not None:
        step = f" ({new.row.score - old.row.score:+g})"
    causes = _causes(old.key, new.key)
    lines = [
        f"{student}: {_score(old.row)} → {_score(new.row)}{step}{f'; changed: {causes}' if causes else ''}"
    ]
    why = _why(new.row)
    if why is not None and why != _why(old.row):
        lines.append(f"    {printable(why, MESSAGE)}")
    if new.row.report is None or old.row.report is None:
        return lines  # every check would be there on one side only
    return lines + [_check_line(before, after) for before, after in _changed_checks(old.checks, new.checks)]


def _standing(standing: Standing) -> tuple[object, ...]:
    row = standing.row
    return (row.score, row.status, _why(row))


def _why(row: Row) -> str | None:
    """Why it is rejected, incomplete, or has no report."""
    return row.report.error if row.report is not None else row.trouble


def _changed_checks(
    old: Iterable[CheckResult], new: Iterable[CheckResult]
) -> list[tuple[CheckResult | None, CheckResult | None]]:
    before: Mapping[str, CheckResult] = {check.id: check for check in old}
    after: Mapping[str, CheckResult] = {check.id: check for check in new}
    pairs = [(before.get(name), after.get(name)) for name in dict.fromkeys([*after, *before])]
    return [(a, b) for a, b in pairs if _verdict(a) != _verdict(b)]


def _verdict(check: CheckResult | None) -> tuple[object, ...]:
    return (check.outcome, check.points, check.quarantined) if check else ()


def _check_line(before: CheckResult | None, after: CheckResult | None) -> str:
    known = after or before
    assert known is not None
    words = f"    {printable(known.id)}: {_outcome(before)} → {_outcome(after)}"
    if after is not None and after.message and before is not None and before.outcome is not after.outcome:
        words += f": {printable(after.message, MESSAGE)}"
    return words


def _outcome(check: CheckResult | None) -> str:
    if check is None:
        return "not there"
    return f"{check.outcome} ({number(check.earned)} of {number(check.points)})"


def _score(row: Row) -> str:
    report: Report | None = row.report
    if report is None:
        return f"no score ({row.status})"
    words = "no score" if report.score is None else f"{number(report.score)} of {number(report.possible)}"
    return words if report.status == "graded" else f"{words} ({report.status})"


def _causes(old: Key | None, new: Key | None) -> str:
    if old is None or new is None:
        return ""
    return ", ".join(words for name, words in CAUSES.items() if getattr(old, name) != getattr(new, name))


def _standings(store: Store) -> dict[str, Standing]:
    found = {}
    for row in tables.results(store).rows:
        judging = store.newest(row.student) if row.report is not None else None
        found[row.student] = Standing(row, judging.key if judging is not None else None)
    return found


def _judged(judging: Judging) -> Standing:
    return Standing(Row(judging.student, report=judging.report), judging.key)


def _students(count: int) -> str:
    return "1 student" if count == 1 else f"{count} students"
