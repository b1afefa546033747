"""Classes and folders for the tests of gradings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labgrader.providers.netns import image
from tests.batch import gradings


@pytest.fixture(scope="session")
def hosts_image() -> None:
    """The hosts' image, so that no test waits for it."""
    image.ensure()


@pytest.fixture
def runtime(hosts_image: None) -> Iterator[Path]:
    """A runtime folder for this test's graders, short enough for a Unix socket."""
    path = Path(tempfile.mkdtemp(prefix="lg-", dir="/tmp"))
    yield path
    assert gradings.left_over_after(path, 10.0) == []
    shutil.rmtree(path)
