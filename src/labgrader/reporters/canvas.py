"""A Canvas gradebook export with one assignment's column filled in, ready for Canvas's import. Pure.

What Canvas reads: the heading begins with Student, ID (or LastName, FirstName, ID) and has a Section; a row
whose first cell holds "Points Possible" describes the columns, "(read only)" among it; a row of "Manual
Posting" and nothing else is no student; students are known by ID, then SIS User ID, SIS Login ID, then name.
"""

from __future__ import annotations

import re

from labgrader.errors import UsageError
from labgrader.model.class_results import ClassResults, Row
from labgrader.printable import printable
from labgrader.reporters import matching, sheet
from labgrader.reporters.sheet import Sheet
from labgrader.reporters.student_text import number, plain
from labgrader.reporters.written import Written

FILE = "canvas.csv"
TABLE = "the Canvas export"
LISTED = 30
INFORMATION = {
    "Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account",
    "Section",
}  # fmt: skip
# What stands in a cell that is no grade's: a score there would undo an instructor's decision, or be lost.
DECIDED = {"ex": "is excused there (EX)", "n/a": "does not have this assignment there (N/A)"}
COMPUTED = re.compile("(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)")


def render(results: ClassResults, template: bytes, column: str | None) -> Written:
    """`canvas.csv`: `template`, the instructor's export, with the scores in the column of that name.

    `column` is the assignment's title, with or without the number in brackets that Canvas adds. Scores are
    scaled to the column's points. Cells of students without a score keep what they hold, and so do those of
    students whom Canvas has as excused or without the assignment.
    UsageError if `template` is no such export or the column is not there, not one, or read-only.
    """
    table = sheet.read(template, _is_heading, "a gradebook export of Canvas")
    points_row = next((n for n in range(1, len(table.records)) if _is_points(table, n)), None)
    place = _column(table, column, points_row)
    factor, told = _factor(table, place, points_row, results.possible)
    lines = {n: _line_keys(table, n) for n in range(1, len(table.records)) if _is_student(table, n)}
    scored = [row for row in results.rows if row.score is not None]
    found = matching.match(scored, [_row_keys(row) for row in scored], lines, TABLE)
    changes = {}
    told += found.told
    for n, line in found.lines.items():
        score = number((scored[n].score or 0) * factor)
        decided = DECIDED.get(table.value(line, place).casefold())
        if decided is None:
            changes[line, place] = score
        else:
            told.append(f"{plain(scored[n].student)}: {decided}; the score {score} is not filled in.")
    told += [
        f"{plain(row.student)}: no score. {plain(row.trouble or '')}" for row in results.rows if row.trouble
    ]
    return Written({FILE: sheet.fill(table, changes)}, tuple(told))


def _is_heading(cells: list[str]) -> bool:
    if "Section" not in cells:
        return False
    return cells[:2] == ["Student", "ID"] or cells[:3] == ["LastName", "FirstName", "ID"]


def _is_points(table: Sheet, record: int) -> bool:
    return "Points Possible" in table.value(record, 0)


def _is_student(table: Sheet, record: int) -> bool:
    said = [cell.value for cell in table.records[record]]
    posting = all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", text, re.I) for text in said)
    return not posting and not _is_points(table, record)


def _column(table: Sheet, column: str | None, points_row: int | None) -> int:
    def can_be_filled(place: int, name: str) -> bool:
        points = "" if points_row is None else table.value(points_row, place)
        return not (
            name in INFORMATION or COMPUTED.search(name) or re.search(r"read\s+only", points) or not name
        )

    heading = table.heading
    known = [name for place, name in enumerate(heading) if can_be_filled(place, name)]
    there = ", ".join(f"«{printable(name, 60)}»" for name in known[:LISTED]) or "none"
    there += f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    if column is None:
        raise UsageError(f"--column is missing: the assignment to fill in; the export has {there}.")
    exact = [place for place, name in enumerate(heading) if name == column.strip()]
    loose = [place for place, name in enumerate(heading) if _title(name) == column.strip()]
    places = exact or loose
    shown = printable(column, 60)
    if not places:
        raise UsageError(f"--column {shown}: the export has no such column; it has {there}.")
    if len(places) > 1:
        raise UsageError(
            f"--column {shown}: {len(places)} columns have that name; give it with its number in ()."
        )
    if not can_be_filled(places[0], heading[places[0]]):
        raise UsageError(f"--column {shown}: Canvas does not read that column back; it reads {there}.")
    return places[0]


def _title(name: str) -> str:
    return re.sub(r"\s*\(\d+\)$", "", name)


def _factor(table: Sheet, place: int, points_row: int | None, possible: float) -> tuple[float, list[str]]:
    said = "" if points_row is None else table.value(points_row, place)
    points = re.fullmatch(r"\d+(?:[.,]\d+)?", said)
    if points is None or possible <= 0 or float(said.replace(",", ".")) <= 0:
        return 1.0, [f"The export does not say the column's points: scores are of {number(possible)}."]
    factor = float(said.replace(",", ".")) / possible
    return factor, [] if factor == 1 else [f"Scores are scaled from {number(possible)} to {said} points."]


def _line_keys(table: Sheet, record: int) -> matching.Keys:
    heading = table.heading
    cell = {name: table.value(record, place) for place, name in reversed(list(enumerate(heading)))}
    both = f"{cell.get('LastName', '')}, {cell.get('FirstName', '')}" if "LastName" in cell else ""
    user, login = cell.get("SIS User ID"), cell.get("SIS Login ID")
    return matching.keys(
        [
            ("canvas", [cell.get("ID")]),
            ("sis_user", [user]),
            ("sis_login", [login]),
            ("student", [user, login]),
            ("email", [login if login and "@" in login else None]),
            ("name", matching.names(both or cell.get("Student"))),
        ]
    )


def _row_keys(row: Row) -> matching.Keys:
    return matching.keys(
        [
            ("canvas", [row.keys.get("canvas")]),
            ("sis_user", [row.keys.get("sis_user")]),
            ("sis_login", [row.keys.get("sis_login")]),
            ("student", [row.student]),
            ("email", [row.email]),
            ("name", matching.names(row.name)),
        ]
    )
