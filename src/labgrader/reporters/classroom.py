"""GitHub Classroom: the result that its autograding reporter takes, one a student. Pure.

The reporter adds up `tests[].score` and shows the sum against `max_score`; where that is 0 it reports no
points at all, which is what an incomplete report needs. Of a test that failed it logs the name and
`test_code` and not the message, so the reason stands in both. What it logs GitHub's runner reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from labgrader.model.class_results import ClassResults
from labgrader.model.results import CheckResult, Outcome, Report, Status
from labgrader.printable import without_commands
from labgrader.reporters import student_text
from labgrader.reporters.student_text import plain
from labgrader.reporters.written import Written, file_names

FOLDER = "classroom"


def render(results: ClassResults) -> Written:
    """`classroom/STUDENT.json` for each report; base64 of one is the value of RUNNER_RESULTS."""
    names = file_names(row.student for row in results.rows)
    files = {
        f"{FOLDER}/{name}.json": _json(one(row.report, row.all_notes))
        for name, row in zip(names, results.rows, strict=True)
        if row.report is not None
    }
    told = [f"{plain(row.student)}: {plain(row.trouble or '')}" for row in results.rows if row.report is None]
    return Written(files, tuple(told))


def one(report: Report, notes: Sequence[str] | None = None) -> dict[str, Any]:
    """One student's result; `status` is pass, fail or error. `notes` are the row's, else the report's."""
    if report.status is Status.INCOMPLETE:
        test = {
            "name": "Graded",
            "status": "error",
            "score": 0,
            "message": student_text.RUN_AGAIN,
            "line_no": 0,
        }
        return {"version": 1, "status": "error", "max_score": 0, "tests": [test]}
    counted = [check for check in report.checks if not check.quarantined]
    tests = [_test(check, report) for check in counted]
    if report.status is Status.REJECTED:
        said = student_text.of_report(report, notes)
        tests = [_entry(student_text.CAN_BE_USED, False, report.score or 0, said, said)]
    status = "pass" if report.full_marks else "fail"
    return {"version": 1, "status": status, "max_score": report.possible, "tests": tests}


def _test(check: CheckResult, report: Report) -> dict[str, Any]:
    passed = check.outcome is Outcome.PASS
    said = student_text.of_check(check, report) or ("" if passed else "Not shown: a hidden check.")
    why = student_text.of_check(check, report, evidence=False)
    return {
        **_entry(check.title, passed, check.earned, said, f"{check.id}: {why}" if why else check.id),
        "max_score": check.points,
        "execution_time": f"{check.duration_s:.3f}s",
    }


def _entry(name: str, passed: bool, score: float, said: str, logged: str) -> dict[str, Any]:
    return {
        "name": without_commands(plain(name)),
        "status": "pass" if passed else "fail",
        "score": score,
        "message": without_commands(said),
        "test_code": without_commands(plain(logged)),
        "line_no": 0,  # without it the reporter writes «line undefined» after every name
    }


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
