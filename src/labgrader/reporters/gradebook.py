"""gradebook.csv: a line a student, for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
import re

from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import Status
from labgrader.reporters import sheet
from labgrader.reporters.student_text import number, plain

COLUMNS = ("student", "name", "email", "score", "possible", "status", "late", "submitted", "problem")
# A formula's sign where a cell may begin: at the start, and wherever a spreadsheet that is told of another
# separator or quote cuts the text.
_FORMULA = re.compile(rf"""(?:^|(?<=[,;|\t\r\n"']))(?=\s*[{sheet.SIGNS}])""")


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
    """A cell that no spreadsheet takes for a formula, nor any part of it, whatever it is told to cut at.

    An apostrophe stands before what looked like one.

    >>> harmless("=1+1"), harmless("Anna;=1+1"), harmless("Anna-Lena")
    ("'=1+1", "Anna;'=1+1", 'Anna-Lena')
    """
    return _FORMULA.sub("'", plain(text))


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
