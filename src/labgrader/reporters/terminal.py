"""The feedback that a student reads on the terminal: plain lines, colour only on a terminal. Pure."""

from __future__ import annotations

import textwrap

from labgrader.results import CheckResult, Outcome, Report, Status

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
    lines = [paint(f"{report.lab}: {title}", "1"), ""]
    for note in report.notes:
        lines += _wrapped(f"Note: {note}", "  ")
    if report.status is Status.REJECTED:
        lines += _wrapped(report.error or "", "  ")
        lines += ["", paint(f"Not graded. Score: {report.score or 0:g} of {report.possible:g}", "31")]
        return "\n".join(lines) + "\n"
    shown: set[tuple[str, str]] = set()
    for check in report.checks:
        lines += _check_lines(check, paint, shown)
    lines += ["", *_verdict(report, paint)]
    return "\n".join(lines) + "\n"


def _check_lines(check: CheckResult, paint: _Paint, shown: set[tuple[str, str]]) -> list[str]:
    mark, code = MARKS[check.outcome]
    points = f"{check.earned:g}/{check.points:g}"
    lines = [f"  {paint(mark, code)} {points:>6}  {check.title}"]
    if check.outcome is Outcome.PASS or check.hidden:
        return lines
    indent = " " * 12
    if check.outcome is Outcome.BLOCKED:
        lines += _wrapped(f"Not judged: mend {check.blocked_by} first. {_extra(check)}".rstrip(), indent)
        return lines
    lines += _wrapped(check.message, indent)
    if check.hint:
        lines += [paint(line, "36") for line in _wrapped(f"Hint: {check.hint}", indent)]
    for item in check.evidence:
        if (item.title, item.text) in shown or check.outcome is Outcome.ERROR:
            continue
        shown.add((item.title, item.text))
        rows = item.text.splitlines()
        lines.append(f"{indent}{item.title}:")
        lines += [f"{indent}  | {row}" for row in rows[-EVIDENCE_SHOWN:]]
        if len(rows) > EVIDENCE_SHOWN:
            lines.append(f"{indent}  | ({len(rows) - EVIDENCE_SHOWN} earlier lines are in the report)")
    return lines


def _extra(check: CheckResult) -> str:
    return "" if check.message.startswith("Not tried") else check.message


def _verdict(report: Report, paint: _Paint) -> list[str]:
    if report.status is Status.INCOMPLETE:
        lines = _wrapped(
            f"No score: something on our side failed, not in the submission. {report.error or ''}", "  "
        )
        return [paint(line, "35") for line in lines]
    lost = [check for check in report.checks if check.outcome is not Outcome.PASS]
    score = f"Score: {report.score:g} of {report.possible:g}"
    if not lost:
        return ["  " + paint(score, "1;32")]
    first = next((c for c in lost if c.outcome is Outcome.FAIL), lost[0])
    return ["  " + paint(score, "1"), *_wrapped(f"Begin with: {first.title}.", "  ")]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


class _Paint:
    """Wraps text in an SGR colour, or not."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


def _painter(colour: bool) -> _Paint:
    return _Paint(colour)
