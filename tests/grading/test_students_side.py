"""What a student sees and cannot see, and that many are graded at once as one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.intake.submission import collect
from labgrader.model import spec
from labgrader.pool import grade_in_worker, workers
from labgrader.runner import Job, file_rules
from tests.grading.conftest import REFERENCE, SmallLab

pytestmark = pytest.mark.namespaces


def test_a_hidden_check_tells_its_title_and_points_alone(lab: SmallLab) -> None:
    lab.write(
        '''
from labgrader.checking.verdicts import fail


@pytest.mark.points(40, hidden=True, hint="the secret hint")
def test_hidden(v0):
    """A hidden check."""
    v0.notebook.add("Secret evidence", "secret text")
    fail("the secret message")


@pytest.mark.points(60, requires=["hidden"])
def test_seen(v0):
    """A check to be seen."""
'''
    )
    run = lab.check()
    assert run.status == 1
    assert "0/40  A hidden check" in run.out and "Not tried yet: first mend «A hidden check»." in run.out
    assert "secret" not in run.out.lower() + run.err.lower()
    hidden = run.check("hidden")
    assert (hidden["hidden"], hidden["message"], hidden["hint"]) == (
        True,
        "the secret message",
        "the secret hint",
    )
    assert hidden["evidence"] == [{"title": "Secret evidence", "text": "secret text"}]
    assert (run.check("seen")["outcome"], run.check("seen")["blocked_by"]) == ("blocked", "hidden")


def test_what_is_blocked_names_the_check_at_the_root(lab: SmallLab) -> None:
    lab.write(
        '''
from labgrader.checking.verdicts import blocked, fail


@pytest.mark.points(40)
def test_root(v0):
    """The root."""
    fail("wrong", hint="of its own")


@pytest.mark.points(20, requires=["root"])
def test_middle(v0):
    """In the middle."""
    visit("never")


@pytest.mark.points(20, requires=["middle"])
def test_end(v0):
    """At the end."""
    visit("never")


@pytest.mark.points(20)
def test_while_running(v0, passed):
    """Blocked while it runs."""
    if not passed("root"):
        blocked("root", "There is nothing to look at.")
'''
    )
    run = lab.check()
    assert (run.status, lab.visits) == (1, [])
    assert [(check["id"], check["outcome"], check["blocked_by"]) for check in run.report["checks"]] == [  # type: ignore[index]
        ("root", "fail", None),
        ("middle", "blocked", "root"),
        ("end", "blocked", "root"),
        ("while_running", "blocked", "root"),
    ]
    assert run.check("root")["hint"] == "of its own"
    assert run.check("while_running")["message"] == "There is nothing to look at."


@pytest.mark.parametrize("name", ["tcp_sever.py", "nothing"])
def test_files_that_cannot_be_used_are_rejected_with_a_report(
    lab: SmallLab, tmp_path: Path, name: str
) -> None:
    lab.write('@pytest.mark.points(100)\ndef test_one(v0):\n    """One."""\n    visit("never")\n')
    folder = tmp_path / "handed-in"
    folder.mkdir()
    if name != "nothing":
        (folder / name).write_bytes(REFERENCE.read_bytes())
    run = lab.check(folder)
    assert (run.status, lab.visits) == (1, [])
    assert run.report is not None
    assert (run.report["status"], run.report["score"], run.report["checks"]) == ("rejected", 0.0, [])
    assert "tcp_server.py" in run.report["error"] and "tcp_server.py" in run.out


def test_eight_at_once_have_full_marks(tmp_path: Path) -> None:
    lab = spec.find("tcp-server")
    parameters = spec.parameters(lab, {})
    submission = collect(REFERENCE, file_rules(lab))
    with workers(8) as pool:
        futures = [
            pool.submit(grade_in_worker, Job(lab, submission, parameters, seed), "netns") for seed in range(8)
        ]
        reports = [future.result() for future in futures]
    assert [report.error for report in reports] == [None] * 8
    assert [(check.id, check.message) for report in reports for check in report.checks if check.message] == []
    assert [report.score for report in reports] == [100.0] * 8
