"""Whose score changed between two gradings, and which check did it. Pure, but for reading the stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labgrader.batch.store import Judging, Key, Store
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
class Change:
    """One student's two judgings; None where there is none on that side."""

    student: str
    before: Judging | None
    after: Judging | None

    @property
    def is_one(self) -> bool:
        """Whether the score, the status, or a check's outcome or worth is another."""
        if self.before is None or self.after is None:
            return True
        old, new = self.before.report, self.after.report
        return (old.score, old.status, old.error) != (new.score, new.status, new.error) or bool(
            _changed_checks(old, new)
        )


def between(old: Store, new: Store) -> list[Change]:
    """Each student of either class, by the judgings that count."""
    before, after = _newest(old), _newest(new)
    return [Change(student, before.get(student), after.get(student)) for student in sorted({*before, *after})]


def within(store: Store) -> list[Change]:
    """Each student who was judged anew: the last judging, and the last that was made from something else.

    What was tried again because it was incomplete is the same judging.
    """
    changes = []
    for row, _, _ in store.students():
        judgings = store.judgings(row.student)
        former = next((one for one in judgings if one.key != judgings[0].key), None)
        if former is not None:
            changes.append(Change(row.student, former, judgings[0]))
    return sorted(changes, key=lambda change: change.student)


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
    if change.before is None or change.after is None:
        there, where = (change.after, names[1]) if change.before is None else (change.before, names[0])
        assert there is not None
        return [f"{student}: {_score(there.report)}, in {printable(where)} only"]
    old, new = change.before.report, change.after.report
    step = ""
    if old.score is not None and new.score is not None:
        step = f" ({new.score - old.score:+g})"
    causes = _causes(change.before.key, change.after.key)
    lines = [f"{student}: {_score(old)} → {_score(new)}{step}{f'; changed: {causes}' if causes else ''}"]
    if new.error is not None and new.error != old.error:
        lines.append(f"    {printable(new.error, MESSAGE)}")
    return lines + [_check_line(before, after) for before, after in _changed_checks(old, new)]


def _changed_checks(old: Report, new: Report) -> list[tuple[CheckResult | None, CheckResult | None]]:
    before: Mapping[str, CheckResult] = {check.id: check for check in old.checks}
    after: Mapping[str, CheckResult] = {check.id: check for check in new.checks}
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


def _score(report: Report) -> str:
    words = "no score" if report.score is None else f"{number(report.score)} of {number(report.possible)}"
    return words if report.status == "graded" else f"{words} ({report.status})"


def _causes(old: Key, new: Key) -> str:
    return ", ".join(words for name, words in CAUSES.items() if getattr(old, name) != getattr(new, name))


def _newest(store: Store) -> dict[str, Judging]:
    found = ((row.student, store.newest(row.student)) for row, _, _ in store.students())
    return {student: judging for student, judging in found if judging is not None}


def _students(count: int) -> str:
    return "1 student" if count == 1 else f"{count} students"
