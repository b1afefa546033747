"""What a student may read of a report, as plain lines for other systems. Pure.

Whatever the report holds, only printable characters and line ends come out.
"""

from __future__ import annotations

from collections.abc import Sequence

from labgrader.model.results import CheckResult, Outcome, Report, Status
from labgrader.printable import printable, printable_block

LONGEST = 4000
RUN_AGAIN = (
    "Not graded yet, and no points lost: something on the grader's side failed, not in the submission. "
    "It is to be graded again."
)
CAN_BE_USED = "The files can be graded"
QUARANTINED = "Worth nothing for now, because its verdict is not to be trusted."


def plain(text: str) -> str:
    """One line of printable characters."""
    return printable(" ".join(text.split()), LONGEST)


def number(value: float, digits: int = 2) -> str:
    """A number of points with at most `digits` decimals and no more than it needs.

    >>> number(85.0), number(8.125), number(0.0)
    ('85', '8.12', '0')
    """
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def of_check(check: CheckResult, report: Report, *, evidence: bool = True) -> str:
    """What the student reads of one check, its evidence with it or not: nothing if it passed or is hidden."""
    if check.quarantined:
        return QUARANTINED
    if check.outcome is Outcome.PASS or check.hidden:
        return ""
    if check.outcome is Outcome.BLOCKED:
        return f"Not tried yet: first mend «{plain(_cause(check, report))}»."
    lines = [plain(check.message)]
    if check.outcome is Outcome.FAIL:
        lines += [f"Hint: {plain(check.hint)}"] if check.hint else []
        for item in check.evidence if evidence else ():
            lines += ["", f"{plain(item.title)}:", printable_block(item.text)]
    return "\n".join(lines)


def of_report(report: Report, notes: Sequence[str] | None = None) -> str:
    """What the student reads of the report as a whole: the notes, and why there is no ordinary score.

    `notes` are those of the student's row, where there is one; else the report's own are told.
    """
    lines = [f"Note: {plain(note)}" for note in (report.notes if notes is None else notes)]
    if report.status is Status.REJECTED:
        lines.append(f"These files cannot be graded: {plain(report.error or 'no reason was told')}")
    if report.status is Status.INCOMPLETE:
        lines.append(RUN_AGAIN)
    return "\n".join(lines)


def _cause(check: CheckResult, report: Report) -> str:
    titles = {known.id: known.title for known in report.checks}
    return titles.get(check.blocked_by or "", check.blocked_by or "another check")
