"""Graders for the tests, each in a runtime folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.providers.netns import image
from tests.cleanup.graders import Grader


@pytest.fixture(scope="session")
def hosts_image() -> None:
    """The hosts' image, so that no test waits for it."""
    image.ensure()


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for this test alone, short enough for a Unix socket; ours too in this process."""
    path = Path(tempfile.mkdtemp(prefix="lg-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """A submission that runs and never listens: the lab stays at its first check for six seconds."""
    path = tmp_path / "tcp_server.py"
    path.write_text("import time\ntime.sleep(600)\n")
    return path


@pytest.fixture
def grader(hosts_image: None, runtime_dir: Path, tmp_path: Path) -> Iterator[Callable[[Path], Grader]]:
    """Start graders; those that still run at the end of the test are ended."""
    started: list[Grader] = []

    def start(submission: Path) -> Grader:
        started.append(Grader(runtime_dir, submission, tmp_path / f"report-{len(started)}.json"))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for lab in one.labs.values():
            # A test that failed half-way may leave one that it had stopped.
            if (supervisor := lab.supervisor()) is not None:
                os.kill(supervisor, signal.SIGKILL)
            lab.forget()
