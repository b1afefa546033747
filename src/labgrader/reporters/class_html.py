"""report.html: the class on one page that needs nothing else, for the instructor. Pure.

The page's only style and script are the two beside its template; its Content-Security-Policy names them by
their digests, so that nothing else could run or be loaded even if it came in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labgrader.model import class_results
from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import CheckResult, Outcome, Status
from labgrader.printable import printable_block
from labgrader.reporters.student_text import number, plain
from labgrader.reporters.written import file_names

FOLDER = Path(__file__).parent / "html"
MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.BLOCKED: "–", Outcome.ERROR: "!"}
BINS = 10
WRONG_SHOWN = 4


@dataclass(frozen=True)
class Bar:
    """A bar of the distribution, in the units of its picture, 300 wide and 100 high."""

    x: float
    height: float
    count: int
    label: str


def render(results: ClassResults) -> bytes:
    """The page as UTF-8. Whatever a student wrote comes out as text; hidden checks are shown, and marked."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(plain=_plain, block=_block, points=number)
    style, script = _part("page.css"), _part("page.js")
    page = environment.get_template("page.html.j2").render(
        results=results,
        checks=[CheckColumn(*check) for check in results.checks],
        counts=class_results.counts(results),
        mean=class_results.mean(results),
        median=class_results.median(results),
        bars=_bars(results),
        distribution=_distribution(results),
        hardest=[tally for tally in class_results.hardest(results) if tally.lost],
        troubles=[(anchor, row) for anchor, row in _anchored(results) if row.trouble is not None],
        rows=list(_anchored(results)),
        shown=_shown,
        in_order=_in_order,
        wrong=_wrong,
        lost=_lost,
        title_of=_title_of,
        marks=MARKS,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return page.encode("utf-8", "replace")


def _anchored(results: ClassResults) -> list[tuple[str, Row]]:
    names = file_names(row.student for row in results.rows)
    return [(f"s-{name}", row) for name, row in zip(names, results.rows, strict=True)]


def _bars(results: ClassResults) -> list[Bar]:
    found = class_results.histogram(results, BINS)
    most = max([*found, 1])
    step = results.possible / BINS
    return [
        Bar(
            x=n * 300 / BINS,
            height=round(count / most * 100, 2),
            count=count,
            label=f"{number(n * step)} to {number((n + 1) * step)} points: {count}",
        )
        for n, count in enumerate(found)
    ]


def _distribution(results: ClassResults) -> str:
    """The picture in words, for who cannot see it."""
    return "; ".join(bar.label for bar in _bars(results) if bar.count) or "nobody yet"


def _in_order(row: Row, checks: Sequence[CheckColumn]) -> Iterator[CheckResult | None]:
    """The row's checks where the class's stand; None for one that the row does not have."""
    found = {check.id: check for check in row.report.checks} if row.report is not None else {}
    return (found.get(check.id) for check in checks) if found else iter(())


def _lost(row: Row) -> list[str]:
    """The ids of the checks that cost points, as `class_results.hardest` counts them."""
    return [check.id for check in _costing(row) if check.outcome in (Outcome.FAIL, Outcome.BLOCKED)]


def _wrong(row: Row) -> list[str]:
    """The ids of those that were tried and are wrong, at most WRONG_SHOWN and how many more there are."""
    found = [check.id for check in _costing(row) if check.outcome is Outcome.FAIL]
    more = len(found) - WRONG_SHOWN
    return found if more <= 0 else [*found[:WRONG_SHOWN], f"{more} more"]


def _costing(row: Row) -> list[CheckResult]:
    if row.report is None or row.report.status is not Status.GRADED:
        return []
    return [check for check in row.report.checks if not check.quarantined]


def _title_of(check_id: str | None, row: Row) -> str:
    checks = row.report.checks if row.report is not None else ()
    return next((check.title for check in checks if check.id == check_id), check_id or "")


def _shown(row: Row) -> tuple[CheckResult, ...]:
    """The checks to tell of at length: those that did not pass. What passed is a mark and a title."""
    if row.report is None or row.report.status is Status.REJECTED:
        return ()
    return tuple(check for check in row.report.checks if check.outcome is not Outcome.PASS)


def _part(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(text: str | None) -> str:
    return plain(text or "")


def _block(text: str) -> str:
    return printable_block(text)
