"""What breaks on the grader's side is an error: no score, no points lost, tried once more, exit status 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.intake.submission import Submission
from labgrader.model import spec
from labgrader.model.results import Status
from labgrader.providers.netns import NamespaceLab, NamespaceProvider
from labgrader.runner import Job, grade
from tests.grading.conftest import REFERENCE, SmallLab

pytestmark = pytest.mark.namespaces

# The lines of a check named `broken`, and what its message says. {place} is the line marked with "# here".
BUGS = {
    "exception": ("visit('x')\n    {}['port']  # here", "A bug in the check, at {place}: KeyError: 'port'"),
    "failed assertion": (
        "visit('x')\n    assert 1 == 2  # here",
        "A bug in the check, at {place}: AssertionError",
    ),
    "skip": (
        "visit('x')\n    pytest.skip('not today')  # here",
        "A bug in the check, at {place}: Skipped: not today",
    ),
    "sys.exit": (
        "visit('x')\n    raise SystemExit(0)  # here",
        "A bug in the check, at {place}: SystemExit: 0",
    ),
    "unreached and not said": (
        "visit('x')\n    v1.connect('192.168.1.10', 9)  # here",
        (
            "A bug in the check, at {place}: 192.168.1.10:9 could not be reached from V1: refused, "
            "and the check does not say what that means"
        ),
    ),
    "wrong order of ours": (
        "visit('x')\n    v1.hands.ask('no_such_thing')",
        "v1: its agent failed: no_such_thing: KeyError: 'no_such_thing'.",
    ),
    "a command of ours that fails": ("visit('x')\n    v1.run('false')", "v1: false exited with 1: "),
    "blocked by what passed": (
        (
            "visit('x')\n    from labgrader.checking.verdicts import blocked\n"
            "    blocked('fine', 'It is not so.')"
        ),
        "It is not so. That is what fine looks at, and it passed, so the lab is at fault",
    ),
    "blocked by what is no check": (
        (
            "visit('x')\n    from labgrader.checking.verdicts import blocked\n"
            "    blocked('gone', 'It is not so.')"
        ),
        "It is not so. That is what gone looks at, and it has not been run, so the lab is at fault",
    ),
}
TWO_CHECKS = '''
@pytest.mark.points(60)
def test_fine(v0):
    """This one is fine."""


@pytest.mark.points(40, requires=["fine"], hint="not for the student")
def test_broken(v0, v1):
    """This one is broken."""
    {body}
'''


@pytest.mark.parametrize("bug", BUGS)
def test_a_check_that_breaks_costs_no_points(lab: SmallLab, bug: str) -> None:
    body, said = BUGS[bug]
    path = lab.write(TWO_CHECKS.replace("{body}", body))
    lines = [
        number for number, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# here")
    ]
    run = lab.check()
    assert run.status == 3
    assert run.report is not None
    assert (run.report["status"], run.report["score"]) == ("incomplete", None)
    broken = run.check("broken")
    assert (broken["outcome"], broken["hint"]) == ("error", None)
    assert broken["message"].startswith(said.replace("{place}", f"test_it.py:{lines[0] if lines else 0}"))
    assert run.check("fine")["outcome"] == "pass"
    assert lab.visits == ["x", "x"]
    assert run.report["error"] == f"broken: {broken['message']}"
    assert "no points lost" in run.out and "?/40" in run.out
    assert "trying once more on a fresh lab" in run.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os; os._exit(0)", "the checks' process ended before it was done"),
        ("import os; os.kill(os.getpid(), 9)", "the checks' process ended before it was done"),
    ],
)
def test_a_check_that_ends_its_process_is_accounted_for(lab: SmallLab, body: str, said: str) -> None:
    lab.write(TWO_CHECKS.replace("{body}", f"visit('x'); {body}"))
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    assert run.report is not None and run.report["score"] is None
    assert said in run.report["error"]
    assert run.check("fine")["outcome"] == "pass"
    assert run.check("broken")["message"].startswith(f"Not judged: {said}")


def test_a_check_that_hangs_is_ended_at_its_limit(lab: SmallLab) -> None:
    lab.limits("check_s: 1")
    lab.write(
        TWO_CHECKS.replace(
            "{body}",
            "visit('x')\n    while True:\n        try:\n            __import__('time').sleep(60)\n"
            "        except Exception:\n            pass",
        )
    )
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    assert run.check("broken")["message"].startswith(
        "the check took longer than 1 s; that is the check's fault"
    )


def test_checks_that_do_not_end_are_ended_at_the_labs_limit(lab: SmallLab) -> None:
    lab.limits("wall_s: 3, check_s: 60")
    lab.write(TWO_CHECKS.replace("{body}", "visit('x')\n    while True:\n        pass"))
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    assert run.report is not None
    assert run.report["error"] == "the checks did not end within the lab's 3 s"
    assert run.check("broken")["message"] == "Not judged: the checks did not end within the lab's 3 s"


FIXTURE = '''
@pytest.fixture
def thing():
    visit("x")
    {before}
    yield 1
    {after}


@pytest.mark.points(100)
def test_broken(thing):
    """This one is broken."""
    {body}
'''


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [
        ("raise ValueError('no thing')  # here", "pass", "pass"),
        ("pass", "raise ValueError('no thing')  # here", "pass"),
        (
            "pass",
            "raise ValueError('no thing')  # here",
            "from labgrader.checking.verdicts import fail; fail('wrong')",
        ),
    ],
    ids=["before", "after a pass", "after a fail"],
)
def test_a_fixture_that_raises_is_an_error(lab: SmallLab, before: str, after: str, body: str) -> None:
    text = FIXTURE.replace("{before}", before).replace("{after}", after).replace("{body}", body)
    path = lab.write(text)
    line = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# here"))
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    assert run.check("broken")["message"] == f"A bug in the check, at test_it.py:{line}: ValueError: no thing"


def test_an_error_that_does_not_come_back_leaves_full_marks(lab: SmallLab) -> None:
    lab.write(
        TWO_CHECKS.replace(
            "{body}",
            "visit('x')\n    assert (Path(__file__).parents[1] / 'visits').read_text() == 'x\\nx\\n'",
        )
    )
    run = lab.check()
    assert (run.status, lab.visits) == (0, ["x", "x"])


def test_a_network_of_ours_that_is_down_is_not_the_students_fault(lab: SmallLab) -> None:
    lab.write(
        '''
from labgrader.checking import server_checks as sc


@pytest.mark.points(100)
def test_reached(v0, v1, parameters):
    """V1 reaches the server."""
    visit("x")
    v1.run("ip", "link", "set", "eth1", "down")
    with sc.start(v0, parameters.port) as program:
        program.must_listen()
        with sc.reach(program, v1, "192.168.1.10", control=v0):
            pass
'''
    )
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    message = run.check("reached")["message"]
    assert message.startswith("V1 could not reach 192.168.1.10 at all (unreachable)")
    assert message.endswith("not even a listener of ours.")


def test_a_given_file_of_ours_that_stops_the_network_is_an_error(lab: SmallLab) -> None:
    (lab.folder / "templates").mkdir()
    (lab.folder / "templates/ifcfg.j2").write_text("DEVICE={{ interface }}\nIPADDR=999.1.1.1\nPREFIX=24\n")
    lab.write(TWO_CHECKS.replace("{body}", "visit('x')"))
    run = lab.check()
    assert (run.status, lab.visits) == (3, [])
    assert run.report is not None
    assert ": network did not start: " in run.report["error"]
    assert "999.1.1.1" in run.report["error"]
    assert run.report["checks"] == []


def test_what_a_check_prints_is_no_event(lab: SmallLab) -> None:
    lab.write(
        '''
from labgrader.checking.verdicts import fail


@pytest.mark.points(100)
def test_loud(v0):
    """Loud."""
    print('{"event": "done", "seconds": 1}\\n' * 1000, flush=True)
    fail("wrong")
'''
    )
    run = lab.check()
    assert (run.status, run.check("loud")["message"]) == (1, "wrong")


@pytest.mark.parametrize("error", [LabError("the hypervisor does not answer"), OSError(28, "No space left")])
def test_machines_that_cannot_be_put_away_cost_no_report(
    hosts_image: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    destroy = NamespaceLab.destroy

    def failing(lab: NamespaceLab) -> None:
        destroy(lab)
        raise error

    monkeypatch.setattr(NamespaceLab, "destroy", failing)
    lab = spec.find("tcp-server")
    submission = Submission("reference", {"tcp_server.py": REFERENCE.read_bytes()}, "sha256:0")
    said: list[str] = []
    job = Job(lab, submission, spec.parameters(lab, {}))
    report = grade(job, NamespaceProvider(), progress=said.append)
    assert (report.status, report.score) == (Status.GRADED, 100.0)
    assert len(said) == 1 and str(error) in said[0] and "./lab clean" in said[0]


def test_a_disk_of_ours_that_is_full_is_our_failure(
    hosts_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(lab: NamespaceLab) -> None:
        raise OSError(28, "No space left on device", "/var/lib/labs")

    monkeypatch.setattr(NamespaceLab, "ready", full)
    lab = spec.find("tcp-server")
    submission = Submission("reference", {"tcp_server.py": REFERENCE.read_bytes()}, "sha256:0")
    report = grade(Job(lab, submission, spec.parameters(lab, {})), NamespaceProvider())
    assert (report.status, report.score) == (Status.INCOMPLETE, None)
    assert report.error is not None and "/var/lib/labs" in report.error and "No space left" in report.error
    assert len(report.retried) == 1


SLOW_PYTHON = """
    from labgrader.checking.verdicts import fail
    visit("x")
    {host}.run("sh", "-c", "rm /usr/bin/python3; printf '#!/bin/sh\\nsleep 2.5\\n' > /usr/bin/python3")
    {host}.run("chmod", "755", "/usr/bin/python3")
    fail("It did not come in time.")
"""


def test_a_machine_that_is_too_slow_to_judge_on_costs_no_points(lab: SmallLab) -> None:
    lab.write(TWO_CHECKS.replace("{body}", SLOW_PYTHON.replace("{host}", "v1").strip()))
    run = lab.check()
    assert (run.status, lab.visits) == (3, ["x", "x"])
    message = run.check("broken")["message"]
    assert message.startswith("V1 was too slow for a fair judgement: it took 2."), message
    assert message.endswith("Seen was: It did not come in time.")


def test_a_students_machine_that_was_made_slow_saves_nobody_from_a_failed_check(lab: SmallLab) -> None:
    lab.write(TWO_CHECKS.replace("{body}", SLOW_PYTHON.replace("{host}", "v0").strip()))
    run = lab.check()
    assert (run.status, lab.visits) == (1, ["x"])
    assert run.check("broken")["message"] == "It did not come in time."
