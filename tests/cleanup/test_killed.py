"""However a grader, its supervisor or its session ends, nothing of the lab stays and nothing is scored."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labgrader.providers.netns import runtime
from tests.cleanup.graders import GOOD, PHASE_S, Grader, until

pytestmark = pytest.mark.namespaces
Start = Callable[[Path], Grader]
PHASES = ("creating", "applying", "checking")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_grader_takes_its_lab_with_it(
    grader: Start, sleeper: Path, number: signal.Signals, phase: str
) -> None:
    run = grader(sleeper)
    run.await_phase(phase)
    begun = time.monotonic()

    run.signal(number)
    status, out, err = run.end()

    assert time.monotonic() - begun < 10, "it must not wait for the checks"
    run.assert_nothing_remains()
    assert out == "" and "Traceback" not in err
    assert not run.report_path.exists()
    assert (status, err.splitlines()[-1:]) == (130, ["Stopped; the lab is gone and nothing was scored."])


@pytest.mark.parametrize("phase", PHASES)
def test_killed_grader_takes_its_lab_with_it(grader: Start, sleeper: Path, phase: str) -> None:
    run = grader(sleeper)
    run.await_phase(phase)

    run.signal(signal.SIGKILL)

    assert run.end()[0] == -signal.SIGKILL
    run.assert_nothing_lives()
    runtime.clean()  # a grader that was killed before it had a supervisor leaves two empty directories
    run.assert_nothing_remains()
    assert runtime.clean() == []


def test_session_ends_with_its_grader(grader: Start, sleeper: Path) -> None:
    run = grader(sleeper)
    run.await_phase("checking")
    session = os.pidfd_open(run.session())

    run.signal(signal.SIGKILL)

    poller = select.poll()
    poller.register(session)
    assert poller.poll(5000), "the session outlived its grader"
    os.close(session)
    run.end()


def test_killed_supervisor_is_our_failure(grader: Start, sleeper: Path) -> None:
    run = grader(sleeper)
    for _attempt in range(2):
        supervisor = run.await_phase("checking").supervisor()
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)

    status, out, err = run.end()

    run.assert_nothing_remains()
    assert status == 3 and "Traceback" not in out + err
    report = run.report()
    assert (report["status"], report["score"]) == ("incomplete", None)
    assert report["error"]
    assert not [check for check in report["checks"] if check["outcome"] == "fail"], "nobody is blamed for it"


@pytest.mark.parametrize("phase", ["creating", "applying"])
def test_supervisor_killed_once_costs_nothing(grader: Start, phase: str) -> None:
    run = grader(GOOD)
    lab = run.await_phase(phase)
    supervisor = until(lab.supervisor, PHASE_S, "there is a supervisor")
    os.kill(supervisor, signal.SIGKILL)

    status, out, err = run.end()

    run.assert_nothing_remains()
    assert status == 0, out + err
    assert "trying once more on a fresh lab" in err
    assert run.report()["score"] == 100.0


def test_killed_session_is_our_failure(grader: Start, sleeper: Path) -> None:
    run = grader(sleeper)
    for _attempt in range(2):
        run.await_phase("checking")
        os.kill(run.session(), signal.SIGKILL)

    status, out, err = run.end()

    run.assert_nothing_remains()
    assert status == 3 and "Traceback" not in out + err
    report = run.report()
    assert (report["status"], report["score"]) == ("incomplete", None)
    assert "ended before it was done" in report["error"]
    assert {check["outcome"] for check in report["checks"]} <= {"error", "blocked"}


@pytest.mark.parametrize("phase", ["creating", "applying"])
def test_session_killed_once_costs_nothing(grader: Start, phase: str) -> None:
    run = grader(GOOD)
    run.await_phase(phase)
    os.kill(run.session(), signal.SIGKILL)

    status, out, err = run.end()

    run.assert_nothing_remains()
    assert status == 0, out + err
    assert run.report()["score"] == 100.0
