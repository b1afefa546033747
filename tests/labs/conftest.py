"""Warm workers that grade side by side what the selected tests ask for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from labgrader.pool import default_jobs, workers
from labgrader.providers.netns import image
from tests.labs.grading import Graded, grade_program

WORKERS = 2 * default_jobs()  # most of the time a grader waits for what does not come

Grade = Callable[[str, Path], Graded]


@pytest.fixture(scope="session")
def machine() -> Iterator[None]:
    """The hosts' image, and a runtime folder of our own; short enough for a Unix socket's path."""
    image.ensure()
    path = tempfile.mkdtemp(prefix="lgt-", dir="/tmp")
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = path
    yield
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def graded(request: pytest.FixtureRequest, machine: None) -> Iterator[Grade]:
    """The result of grading one program on one lab; those of all selected tests are under way at once."""
    with workers(WORKERS) as pool:
        futures: dict[tuple[str, Path], Future[Graded]] = {}
        for item in request.session.items:
            asked = getattr(item, "callspec", None)
            if asked is not None and "program" in asked.params and "tests/labs" in str(item.path):
                job = (asked.params["lab_name"], asked.params["program"])
                futures.setdefault(job, pool.submit(grade_program, *job))

        yield lambda lab_name, program: futures[lab_name, program].result()
        pool.shutdown(wait=True, cancel_futures=True)
