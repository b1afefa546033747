"""Outcomes, scores, exit statuses and the report's JSON form, which other programs read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status, exit_status, status_of

# The keys of the contract, in its order, with what was added since: notes.
REPORT = """format lab lab_digest provider parameters student submission_digest status score possible checks
    error notes retried limits timings started finished versions"""
CHECK = "id title points earned outcome blocked_by message hint hidden duration_s evidence quarantined"

POINTS = st.floats(0.1, 100, allow_nan=False).map(lambda number: round(number, 2))
CHECKS = st.lists(
    st.builds(CheckResult, st.just("x"), st.just("t"), POINTS, st.sampled_from(Outcome)), max_size=30
)


def report(status: Status = Status.GRADED, checks: tuple[CheckResult, ...] = ()) -> Report:
    return Report("lab", "sha256:0", "netns", {}, "alice", None, 100.0, status, checks)


def test_the_json_form_is_the_contracts() -> None:
    full = Report(
        lab="tcp-server",
        lab_digest="sha256:11",
        provider="netns",
        parameters={"port": 11200},
        student="alice",
        submission_digest="sha256:22",
        possible=100.0,
        status=Status.GRADED,
        checks=(
            CheckResult("starts", "It starts", 85.0, Outcome.PASS, duration_s=0.123456),
            CheckResult(
                "prints", "It prints", 10.0, Outcome.FAIL, "It printed nothing.", "print it", None, True, 3.0,
                (Evidence("What it printed", "a\nb"),),
            ),
            CheckResult("closes", "It closes", 5.0, Outcome.BLOCKED, "", None, "prints"),
        ),
        notes=("It was in a folder.",),
        limits={"wall_s": {"value": 90.0, "held_by": "the grader"}},
        timings={"create_s": 0.123456},
        started="2019-03-08T09:00:00.000Z",
        finished="2019-03-08T09:00:01.000Z",
        versions={"labgrader": "0.1.0"},
        retried=("v0: no SSH connection",),
    )  # fmt: skip
    assert json.loads(json.dumps(full.to_json())) == {
        "format": "labgrader.report/1",
        "lab": "tcp-server",
        "lab_digest": "sha256:11",
        "provider": "netns",
        "parameters": {"port": 11200},
        "student": "alice",
        "submission_digest": "sha256:22",
        "status": "graded",
        "score": 85.0,
        "possible": 100.0,
        "checks": [
            {
                "id": "starts",
                "title": "It starts",
                "points": 85.0,
                "earned": 85.0,
                "outcome": "pass",
                "blocked_by": None,
                "message": "",
                "hint": None,
                "hidden": False,
                "duration_s": 0.1235,
                "evidence": [],
                "quarantined": False,
            },
            {
                "id": "prints",
                "title": "It prints",
                "points": 10.0,
                "earned": 0.0,
                "outcome": "fail",
                "blocked_by": None,
                "message": "It printed nothing.",
                "hint": "print it",
                "hidden": True,
                "duration_s": 3.0,
                "evidence": [{"title": "What it printed", "text": "a\nb"}],
                "quarantined": False,
            },
            {
                "id": "closes",
                "title": "It closes",
                "points": 5.0,
                "earned": 0.0,
                "outcome": "blocked",
                "blocked_by": "prints",
                "message": "",
                "hint": None,
                "hidden": False,
                "duration_s": 0.0,
                "evidence": [],
                "quarantined": False,
            },
        ],
        "error": None,
        "notes": ["It was in a folder."],
        "retried": ["v0: no SSH connection"],
        "limits": {"wall_s": {"value": 90.0, "held_by": "the grader"}},
        "timings": {"create_s": 0.1235},
        "started": "2019-03-08T09:00:00.000Z",
        "finished": "2019-03-08T09:00:01.000Z",
        "versions": {"labgrader": "0.1.0"},
    }
    assert list(full.to_json()) == REPORT.split()
    assert list(full.to_json()["checks"][0]) == CHECK.split()


@pytest.mark.parametrize(
    ("status", "outcomes", "score", "leaves_with"),
    [
        (Status.GRADED, [Outcome.PASS, Outcome.PASS], 20.0, 0),
        (Status.GRADED, [Outcome.PASS, Outcome.FAIL], 10.0, 1),
        (Status.GRADED, [Outcome.FAIL, Outcome.BLOCKED], 0.0, 1),
        (Status.REJECTED, [], 0.0, 1),
        (Status.INCOMPLETE, [Outcome.PASS, Outcome.ERROR], None, 3),
        (Status.INCOMPLETE, [Outcome.PASS, Outcome.PASS], None, 3),
        (Status.INCOMPLETE, [], None, 3),
    ],
)
def test_score_and_exit_status(
    status: Status, outcomes: list[Outcome], score: float | None, leaves_with: int
) -> None:
    one = report(status, tuple(CheckResult(str(n), "t", 10.0, o) for n, o in enumerate(outcomes)))
    assert one.score == score
    assert exit_status(one) == leaves_with
    assert one.full_marks == (leaves_with == 0)


@given(CHECKS)
def test_an_error_of_ours_makes_it_incomplete_and_nothing_else_does(checks: list[CheckResult]) -> None:
    ours = any(check.outcome is Outcome.ERROR for check in checks)
    assert status_of(checks) is (Status.INCOMPLETE if ours else Status.GRADED)


@given(CHECKS)
def test_the_score_is_the_sum_of_what_passed_in_any_order(checks: list[CheckResult]) -> None:
    score = report(checks=tuple(checks)).score
    assert score is not None
    assert score == report(checks=tuple(reversed(checks))).score
    hundredths = sum(round(check.points * 100) for check in checks if check.outcome is Outcome.PASS)
    assert round(score * 100) == hundredths
    assert 0 <= score <= round(sum(check.points for check in checks), 6)
