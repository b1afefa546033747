"""The feedback that a student reads on the terminal: plain lines, colour only on a terminal. Pure.

Whatever the report holds, only plain characters come out: it may have been read from a file.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status
from labgrader.printable import printable, printable_block

WIDTH = 96
MARKS = {
    Outcome.PASS: ("✓", "32"),
    Outcome.FAIL: ("✗", "31"),
    Outcome.BLOCKED: ("–", "33"),
    Outcome.ERROR: ("!", "35"),
}
EVIDENCE_SHOWN = 12


def feedback(report: Report, *, title: str, colour: bool = False) -> str:
    """The whole feedback for one report, ending in a newline."""
    paint = _painter(colour)
    lines = [paint(_plain(f"{report.lab}: {title}"), "1"), ""]
    for note in report.notes:
        lines += _wrapped(f"Note: {note}", "  ")
    if report.status is Status.REJECTED:
        lines += _wrapped(f"These files cannot be graded: {report.error or ''}", "  ")
        lines += ["", "  " + paint(f"Score: {report.score or 0:g} of {report.possible:g}", "31")]
        return "\n".join(lines) + "\n"
    shown: set[tuple[str, str]] = set()
    titles = {check.id: check.title for check in report.checks}
    for check in report.checks:
        lines += _check_lines(check, paint, shown, titles)
    if report.checks:
        lines.append("")
    lines += _verdict(report, paint)
    return "\n".join(lines) + "\n"


def _check_lines(
    check: CheckResult, paint: _Paint, shown: set[tuple[str, str]], titles: Mapping[str, str]
) -> list[str]:
    mark, code = MARKS[check.outcome]
    earned = "?" if check.outcome is Outcome.ERROR and not check.quarantined else f"{check.earned:g}"
    points = f"{earned}/{check.points:g}"
    lines = [f"  {paint(mark, code)} {points:>6}  {_plain(check.title)}"]
    indent = " " * 12
    if check.quarantined:
        lines += _wrapped("Worth nothing for now: see the note on quarantine above.", indent)
    if check.outcome is Outcome.PASS or check.hidden:
        return lines
    if check.outcome is Outcome.BLOCKED:
        cause = titles.get(check.blocked_by or "", check.blocked_by or "another check")
        extra = "" if check.message.startswith("Not tried") else check.message
        return lines + _wrapped(f"Not tried yet: first mend «{cause}». {extra}", indent)
    lines += _wrapped(check.message, indent)
    if check.outcome is Outcome.ERROR:
        return lines
    if check.hint:
        lines += [paint(line, "36") for line in _wrapped(f"Hint: {check.hint}", indent)]
    for item in check.evidence:
        if (item.title, item.text) not in shown:
            shown.add((item.title, item.text))
            lines += _evidence_lines(item, indent)
    return lines


def _evidence_lines(item: Evidence, indent: str) -> list[str]:
    rows = printable_block(item.text, max_lines=10_000, max_columns=200).split("\n")
    lines = [f"{indent}{_plain(item.title)}:"]
    if len(rows) > EVIDENCE_SHOWN:
        lines.append(f"{indent}  | ({len(rows) - EVIDENCE_SHOWN} earlier lines are in the report)")
    return lines + [f"{indent}  | {row}".rstrip() for row in rows[-EVIDENCE_SHOWN:]]


def _verdict(report: Report, paint: _Paint) -> list[str]:
    if report.status is Status.INCOMPLETE:
        lines = _wrapped(
            "No score yet, and no points lost: something on the grader's side failed, not in the submission. "
            "Grade it again; if that does not help, show this to whoever looks after the grader:",
            "  ",
        )
        return [paint(line, "35") for line in lines] + _wrapped(report.error or "no reason was told", "    ")
    lost = [check for check in report.checks if check.outcome is not Outcome.PASS and not check.quarantined]
    score = f"Score: {report.score:g} of {report.possible:g}"
    if not lost:
        return ["  " + paint(score, "1;32")]
    first = next((c for c in lost if c.outcome is Outcome.FAIL), lost[0])
    return ["  " + paint(score, "1"), *_wrapped(f"Mend this first: {first.title}.", "  ")]


def _plain(text: str) -> str:
    """One line of plain characters."""
    return printable(" ".join(text.split()), 4000)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


class _Paint:
    """Wraps text in an SGR colour, or not."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


def _painter(colour: bool) -> _Paint:
    return _Paint(colour)
