"""A small copy of tcp-server, and a runtime and a state folder for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.model import spec
from labgrader.model.spec import Lab
from labgrader.providers.netns import image

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ("eth0-only", "no-reuseaddr", "wrong-port")
MakeLab = Callable[[str], Lab]


@pytest.fixture(scope="session")
def hosts_image() -> None:
    """The hosts' image, so that no test waits for it."""
    image.ensure()


@pytest.fixture
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The runtime folder (short enough for a Unix socket); state is kept in the test's own folder."""
    path = Path(tempfile.mkdtemp(prefix="lgp-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def small(tmp_path: Path) -> MakeLab:
    """Make a copy of tcp-server with three of its mutants, in a folder of this name."""

    def make(name: str) -> Lab:
        folder = tmp_path / name / "labs" / "tcp-server"
        shutil.copytree(
            ROOT / "labs/tcp-server",
            folder,
            ignore=shutil.ignore_patterns("mutants", "__pycache__", "quarantine.yaml"),
        )
        for mutant in MUTANTS:
            shutil.copytree(ROOT / "labs/tcp-server/mutants" / mutant, folder / "mutants" / mutant)
        return spec.load(folder / "lab.yaml")

    return make
