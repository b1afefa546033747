"""GitHub Classroom's JSON, against what its reporter (education/autograding-grading-reporter) makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from labgrader.model.results import Evidence
from labgrader.reporters import classroom
from labgrader.reporters.written import file_names
from tests.golden.class_samples import CLASS
from tests.golden.reports import LOOPBACK_ONLY, REJECTED


def reported_points(result: dict[str, Any]) -> tuple[float, float] | None:
    """What GitHub's reporter makes of one result (src/notify-classroom.js)."""
    if not result["max_score"]:
        return None
    return sum(test["score"] for test in result["tests"]), result["max_score"]


def logged(result: dict[str, Any]) -> list[str]:
    """The lines that GitHub's reporter logs of one result (src/console-results.js)."""
    lines = []
    for test in result["tests"]:
        if test["status"] == "error":
            lines.append(f"Error: {test['message']}")
        else:
            place = (
                "" if test.get("line_no", "undefined") == 0 else f" - line {test.get('line_no', 'undefined')}"
            )
            lines.append(f"{'✅' if test['status'] == 'pass' else '❌'} {test['name']}{place}")
        lines += ["Test code:", test["test_code"]] if test.get("test_code") else []
    return [line for text in lines for line in text.split("\n")]


def is_a_command(line: str) -> bool:
    """Whether GitHub's runner may take it for one (actions/runner, src/Runner.Common/ActionCommand.cs)."""
    return line.lstrip().startswith("::") or "##[" in line


def test_classroom_logs_why_and_no_line_number() -> None:
    reports = {row.student: row.report for row in CLASS.rows if row.report is not None}
    bob, carol, zhangsan = (classroom.one(reports[name]) for name in ("bob", "carol", "zhangsan"))
    lines = logged(bob)
    assert not [line for line in lines if "undefined" in line or " - line" in line]
    assert any(line.startswith("reachable_from_v1: It listens on 127.0.0.1:11200 only") for line in lines)
    assert any("first mend «V1 reaches the server" in line for line in lines)
    assert any("no tcp_server.py in day08/" in line for line in logged(carol))
    assert "A secret" not in "".join(logged(zhangsan))


@pytest.mark.parametrize(
    "text", ["::add-mask::a", "x\n  ::stop-commands::t", "a ##[add-mask]b", "##[[::", ":::"]
)
def test_a_student_gives_githubs_runner_no_command(text: str) -> None:
    check = replace(LOOPBACK_ONLY.checks[1], message=text, hint=text, evidence=(Evidence(text, text),))
    failed = replace(LOOPBACK_ONLY, checks=(replace(check, id="x", title=text), check))
    for report in (failed, replace(REJECTED, error=text, notes=(text,))):
        result = classroom.one(report)
        said = [line for test in result["tests"] for line in test["message"].split("\n")]
        assert not [line for line in (*said, *logged(result)) if is_a_command(line)]


def test_classroom_reports_the_score_and_none_for_what_is_incomplete() -> None:
    written = classroom.render(CLASS)
    for row, name in zip(CLASS.rows, file_names(r.student for r in CLASS.rows), strict=True):
        if row.report is None:
            assert f"classroom/{name}.json" not in written.files
            continue
        result = json.loads(written.files[f"classroom/{name}.json"])
        assert result["version"] == 1 and result["status"] in {"pass", "fail", "error"}
        assert result["tests"]  # the reporter divides by their number
        for test in result["tests"]:
            assert test["status"] in {"pass", "fail", "error"} and isinstance(test["score"], int | float)
            assert test["status"] == "pass" or test["message"]
        expected = None if row.score is None else (row.score, 100.0)
        assert reported_points(result) == expected
        assert (result["status"] == "error") == (row.score is None)
        assert (result["status"] == "pass") == row.report.full_marks
