"""A Moodle grading worksheet with grades and feedback filled in, ready to be uploaded. Pure.

What Moodle reads: the columns for identifier, grade and last change of the grade must be there; the number at
the end of the identifier says whose grade it is; a grade that is empty or above the maximum is passed over;
feedback is HTML, and is taken as it stands.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from labgrader.errors import UsageError
from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import Report
from labgrader.reporters import matching, sheet, student_text
from labgrader.reporters.sheet import Sheet
from labgrader.reporters.student_text import number, plain
from labgrader.reporters.written import Written

FILE = "moodle.csv"
TABLE = "the Moodle worksheet"
# The headings as Moodle's language packs have them: English, German, simplified Chinese (and its older pack).
HEADINGS = {
    "identifier": {"identifier", "id", "标识符", "识别码"},
    "name": {"full name", "vollständiger name", "全名", "姓名"},
    "email": {"email address", "e-mail-adresse", "e-mail", "电子邮件地址", "电子邮件", "邮箱", "email地址"},
    "grade": {"grade", "bewertung", "成绩", "评分"},
    "maximum": {"maximum grade", "bestwertung", "最高分", "最高成绩"},
    "modified": {
        "last modified (grade)", "zuletzt geändert (bewertung)", "上次修改（评分）", "最后修改（教师）",
    },
    "feedback": {"feedback comments", "feedback als kommentar", "反馈评论", "反馈意见", "评语反馈", "反馈"},
    "changeable": {"grade can be changed", "bewertung kann geändert werden", "允许更改成绩"},
    "scale": {"scale", "skala", "量表", "等级"},
    "student": {"username", "id number", "anmeldename", "id-nummer", "用户名", "身份证号", "学号"},
}  # fmt: skip
NO = {"no", "nein", "否"}
NEEDED = ("identifier", "grade", "modified")
LONGEST_FEEDBACK = 8000


def render(results: ClassResults, template: bytes) -> Written:
    """`moodle.csv`: `template`, the instructor's worksheet, with grades, and feedback if it has a column.

    Grades are scaled to each line's maximum. Cells of students without a score keep what they hold.
    UsageError if `template` is no such worksheet, or grades by a scale.
    """
    table = sheet.read(template, _is_heading, "a grading worksheet of Moodle")
    places = _places(table.heading)
    if "scale" in places and "maximum" not in places:
        raise UsageError(
            "--template: this assignment is graded by a scale, not by points; change it in Moodle."
        )
    lines = {n: _line_keys(table, n, places) for n in range(1, len(table.records))}
    scored = [row for row in results.rows if row.score is not None]
    found = matching.match(scored, [_row_keys(row) for row in scored], lines, TABLE)
    changes: dict[tuple[int, int], str] = {}
    told = list(found.told)
    if "maximum" not in places:
        told.append(f"The worksheet has no column for the maximum: grades are of {number(results.possible)}.")
    for n, line in found.lines.items():
        row = scored[n]
        maximum = table.value(line, places["maximum"]) if "maximum" in places else ""
        if "changeable" in places and table.value(line, places["changeable"]).casefold() in NO:
            told.append(
                f"{plain(row.student)}: by the worksheet the grade cannot be changed, because it is locked "
                "or overridden in Moodle's gradebook; unless it is released there, Moodle skips the line."
            )
        changes[line, places["grade"]] = _grade(row.score or 0, results.possible, maximum)
        if "feedback" in places and row.report is not None:
            changes[line, places["feedback"]] = feedback(row.report, row.all_notes)
    told += [
        f"{plain(row.student)}: no grade. {plain(row.trouble or '')}" for row in results.rows if row.trouble
    ]
    return Written({FILE: sheet.fill(table, changes)}, tuple(told))


def feedback(report: Report, notes: Sequence[str] | None = None) -> str:
    """The student's feedback as HTML on one line, of which nothing but our own tags is markup.

    `notes` are the row's, else the report's. With more than LONGEST_FEEDBACK characters evidence is left out.
    Backslashes are written as references: Moodle's reader takes one before a quote for an escape.
    """
    whole = _feedback(report, notes, evidence=True)
    return whole if len(whole) <= LONGEST_FEEDBACK else _feedback(report, notes, evidence=False)


def _feedback(report: Report, notes: Sequence[str] | None, evidence: bool) -> str:
    parts = [_html(student_text.of_report(report, notes))]
    for check in report.checks:
        points = f"{number(check.earned)}/{number(check.points)}"
        said = student_text.of_check(check, report, evidence=evidence)
        line = f"<b>{_html(points)}</b> {_html(plain(check.title))}"
        parts.append(f"{line}<br>{_html(said)}" if said else line)
    return "".join(f"<p>{part}</p>" for part in parts if part)


def _html(text: str) -> str:
    """The text as HTML, in which no cell begins with a formula, wherever a spreadsheet may cut it.

    It may cut at the semicolon of a character reference, too, also where the file's encoding needs one.
    """
    escaped = html.escape(text).replace("\\", "&#92;").replace("\n", "<br>")
    return sheet.AFTER_CUT.sub(lambda found: "".join(map(_reference, found[0])), escaped)


def _reference(char: str) -> str:
    return char if char.isspace() else f"&#{ord(char)};"


def _is_heading(cells: list[str]) -> bool:
    places = _places(cells)
    return all(kind in places for kind in NEEDED)


def _places(cells: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, name in enumerate(cells):
        for kind, known in HEADINGS.items():
            if name.casefold() in known:
                found.setdefault(kind, place)
    return found


def _grade(score: float, possible: float, maximum: str) -> str:
    if not re.fullmatch(r"\d+(?:[.,]\d+)?", maximum) or possible <= 0:
        return number(score)
    most = float(maximum.replace(",", "."))
    return number(min(score / possible * most, most))


def _line_keys(table: Sheet, record: int, places: dict[str, int]) -> matching.Keys:
    def value(kind: str) -> str:
        return table.value(record, places[kind]) if kind in places else ""

    participant = re.search(r"(\d+)$", value("identifier"))
    return matching.keys(
        [
            ("moodle", [participant[1].lstrip("0") if participant else None]),
            ("student", [value("student")]),
            ("email", [value("email")]),
            ("name", matching.names(value("name"))),
        ]
    )


def _row_keys(row: Row) -> matching.Keys:
    return matching.keys(
        [
            ("moodle", [row.keys.get("moodle", "").lstrip("0")]),
            ("student", [row.student]),
            ("email", [row.email]),
            ("name", matching.names(row.name)),
        ]
    )
