"""A lab in a folder of the test's own, to be spoilt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab_folder(tmp_path: Path) -> Path:
    """A copy of the lab tcp-server with the shared templates, and without its mutants."""
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    folder = tmp_path / "labs" / "tcp-server"
    shutil.copytree(
        ROOT / "labs" / "tcp-server", folder, ignore=shutil.ignore_patterns("mutants", "__pycache__")
    )
    return folder


@pytest.fixture
def spoil(lab_folder: Path) -> Callable[[str, str], Path]:
    """Replace a text in the copy's lab.yaml, which must hold it exactly as given; returns the file."""

    def change(old: str, new: str) -> Path:
        path = lab_folder / "lab.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return change
