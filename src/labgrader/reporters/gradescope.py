"""results.json as Gradescope's autograder harness reads it, one a student. Pure.

Every text is declared as `text`: what stands at the top would otherwise be shown as HTML.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import CheckResult, Outcome, Report, Status
from labgrader.reporters import student_text
from labgrader.reporters.student_text import plain
from labgrader.reporters.written import Written, file_names

FOLDER = "gradescope"
Visibility = Literal["hidden", "after_published"]


def render(results: ClassResults, *, hidden: Visibility = "hidden") -> Written:
    """`gradescope/STUDENT/results.json` for each report.

    `hidden`: how Gradescope shows hidden checks. While one is hidden, students do not see their total either;
    with `after_published` they see its title and points, and still not what it said.
    """
    names = file_names(row.student for row in results.rows)
    files = {
        f"{FOLDER}/{name}/results.json": _json(one(row, row.report, hidden))
        for name, row in zip(names, results.rows, strict=True)
        if row.report is not None
    }
    told = [f"{plain(row.student)}: {plain(row.trouble or '')}" for row in results.rows if row.report is None]
    return Written(files, tuple(told))


def one(row: Row, report: Report, hidden: Visibility = "hidden") -> dict[str, Any]:
    """One student's results; without any score while incomplete, so that the harness asks for another run."""
    found: dict[str, Any] = {
        "output": student_text.of_report(report, row.all_notes),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "extra_data": {"status": row.status, "lab": plain(report.lab)},
    }
    if report.score is None:
        return found
    found["score"] = report.score
    found["execution_time"] = round(sum(report.timings.values()), 3)
    found["tests"] = [_test(check, report, hidden) for check in report.checks if not check.quarantined]
    if report.status is Status.REJECTED:
        said = student_text.of_report(report, ())
        found["tests"] = [{"name": student_text.CAN_BE_USED, "status": "failed", "output": said}]
    return found


def _test(check: CheckResult, report: Report, hidden: Visibility) -> dict[str, Any]:
    said = student_text.of_check(check, report)
    if check.hidden and hidden == "hidden":
        said = plain(check.message)
    return {
        "name": plain(check.title),
        "score": check.earned,
        "max_score": check.points,
        "status": "passed" if check.outcome is Outcome.PASS else "failed",
        "output": said,
        "tags": [plain(check.id)],
        "visibility": hidden if check.hidden else "visible",
    }


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
