"""gradebook.csv: a line a student, for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io

from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import Status
from labgrader.reporters.student_text import number, plain

COLUMNS = ("student", "name", "email", "score", "possible", "status", "late", "submitted", "problem")
# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width forms with them.
_FORMULA = "=+-@\t\r\n＝＋－＠"


def render(results: ClassResults, *, bom: bool = True) -> bytes:
    """The table as UTF-8 with CRLF; the mark in front (`bom`) is what tells Excel that it is UTF-8.

    An incomplete or missing student's score is empty, never 0. The columns after COLUMNS are the checks' ids.
    """
    checks = [CheckColumn(*check) for check in results.checks]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow([*COLUMNS, *(harmless(check.id) for check in checks)])
    for row in results.rows:
        table.writerow(_cells(row, results, checks))
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8")


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe stands before what looked like one.

    >>> harmless("=1+1"), harmless("Anna")
    ("'=1+1", 'Anna')
    """
    shown = plain(text)
    return f"'{shown}" if shown.strip()[:1] and shown.strip()[0] in _FORMULA else shown


def _cells(row: Row, results: ClassResults, checks: list[CheckColumn]) -> list[str]:
    report = row.report
    earned = {}
    if report is not None and report.status is Status.GRADED:
        earned = {check.id: number(check.earned) for check in report.checks if not check.quarantined}
    return [
        harmless(row.student),
        harmless(row.name or ""),
        harmless(row.email or ""),
        "" if row.score is None else number(row.score),
        number(report.possible if report else results.possible),
        row.status,
        "late" if row.late else "",
        harmless(row.submitted or ""),
        harmless(row.trouble or (report.error if report else "") or ""),
        *(earned.get(check.id, "") for check in checks),
    ]
