"""Real worker processes, of which one may end without the others' work."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from pathlib import Path

import pytest

from labgrader.batch import lanes as lanes_module
from labgrader.batch.lanes import Lanes
from labgrader.errors import LabError
from labgrader.pool import for_worker
from tests.batch.gradings import processes, until
from tests.cleanup.graders import is_alive


def answer(word: str) -> str:
    return word


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def waits_for(path: Path) -> str:
    until(path.exists, "the file is there")
    return "seen"


@for_worker
def tidies(path: Path) -> None:
    """A job that has something to put in order when it is stopped."""
    try:
        path.with_suffix(".begun").touch()
        time.sleep(600)
    finally:
        path.touch()


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes(2)
    yield made
    made.stop()
    made.shutdown()


def test_the_end_of_one_worker_is_the_end_of_one_job(lanes: Lanes, tmp_path: Path) -> None:
    other = lanes.submit(waits_for, tmp_path / "now")
    with pytest.raises(BrokenProcessPool):
        lanes.submit(die).result(60)
    assert lanes.submit(answer, "again").result(60) == "again"
    assert not other.done()
    (tmp_path / "now").touch()
    assert other.result(60) == "seen"


def test_a_worker_that_stands_still_can_be_ended(lanes: Lanes) -> None:
    stuck = lanes.submit(stand_still)
    (worker,) = processes(os.getpid(), "worker")
    until(lambda: "T (stopped)" in Path(f"/proc/{worker}/status").read_text(), "it stands still")
    lanes.end(stuck)
    with pytest.raises(BrokenProcessPool):
        stuck.result(60)
    assert lanes.submit(answer, "again").result(60) == "again"


def test_the_end_of_whoever_makes_workers_is_no_end(lanes: Lanes) -> None:
    lost = lanes.submit(time.sleep, 600)
    (server,) = processes(os.getpid(), "forkserver")
    os.kill(server, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        lost.result(60)
    assert lanes.submit(answer, "again").result(60) == "again"


def test_whoever_makes_workers_may_refuse_before_it_has_ended(lanes: Lanes, tmp_path: Path) -> None:
    """A process that is killed closes its socket some time before it can be waited for."""
    assert lanes.submit(answer, "warm").result(60) == "warm"
    lost = lanes.submit(time.sleep, 600)
    (server,) = processes(os.getpid(), "forkserver")
    with socket.socket(socket.AF_UNIX) as refusing:
        refusing.bind(str(tmp_path / "s"))  # and nobody listens
        # The next one to be made writes its own address here.
        forkserver._forkserver._forkserver_address = str(tmp_path / "s")  # type: ignore[attr-defined]
        threading.Timer(1.0, os.kill, (server, signal.SIGKILL)).start()
        assert lanes.submit(answer, "again").result(60) == "again"
    with pytest.raises(BrokenProcessPool):
        lost.result(60)


def test_stopping_lets_a_job_put_things_in_order_and_ends_its_process(lanes: Lanes, tmp_path: Path) -> None:
    future = lanes.submit(tidies, tmp_path / "tidy")
    until((tmp_path / "tidy.begun").exists, "the job runs")
    workers = processes(os.getpid(), "worker")
    lanes.stop()
    assert (tmp_path / "tidy").exists()
    with pytest.raises(BrokenProcessPool):
        future.result(60)
    until(lambda: not any(map(is_alive, workers)), "the workers are gone")
    with pytest.raises(RuntimeError, match="let go"):
        lanes.submit(answer, "late")


def test_workers_that_never_come_up_are_told(monkeypatch: pytest.MonkeyPatch, lanes: Lanes) -> None:
    monkeypatch.setattr("labgrader.pool._begin", die)
    with pytest.raises(LabError, match="No worker process could be started"):
        lanes.submit(answer, "never")


def test_a_worker_that_stands_still_at_its_start_is_ended(
    monkeypatch: pytest.MonkeyPatch, lanes: Lanes
) -> None:
    """Each stands still: all are ended, and it is told. One that does not then works."""
    assert lanes.submit(answer, "warm").result(60) == "warm"  # whoever forks workers is up
    other = lanes.submit(time.sleep, 600)  # so that the next one needs a worker of its own
    before = set(processes(os.getpid(), "worker"))
    with monkeypatch.context() as patched:
        patched.setattr(lanes_module, "START_S", 1.0)
        patched.setattr(lanes_module, "STARTS", 2)
        patched.setattr("labgrader.pool._begin", stand_still)
        with pytest.raises(LabError, match="could be started: it did not answer within 1 s"):
            lanes.submit(answer, "never")
    until(lambda: set(processes(os.getpid(), "worker")) == before, "those that stood still are gone")
    assert lanes.submit(answer, "now").result(60) == "now"
    assert not other.done()
