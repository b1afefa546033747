"""Small labs made of tcp-server's machines and a check or two, and the command that grades on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labgrader.providers.netns import image

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "labs/tcp-server/reference/tcp_server.py"
# Far above what any of these takes on a loaded machine: nothing waits for ever.
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Run:
    """What one `lab check` left: exit status, both streams, and the report, if there is one."""

    status: int
    out: str
    err: str
    report: dict[str, Any] | None

    def check(self, name: str) -> dict[str, Any]:
        """The report's entry for one check."""
        assert self.report is not None, self.err
        return next(check for check in self.report["checks"] if check["id"] == name)


@dataclass(frozen=True)
class SmallLab:
    """A lab in a folder of the test's; `check` runs the real command on it."""

    folder: Path

    def write(self, checks: str, name: str = "test_it.py") -> Path:
        """Make `checks` the lab's checks; `visit()` in them notes that a check was begun."""
        path = self.folder / "checks" / name
        path.write_text(
            f"from pathlib import Path\n\nimport pytest\n\n\n{VISIT}\n\n{checks}", encoding="utf-8"
        )
        return path

    def change(self, old: str, new: str) -> None:
        """Replace a text that lab.yaml holds."""
        path = self.folder / "lab.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def limits(self, text: str) -> None:
        self.change("limits: {memory_mb: 48, disk_mb: 4}", f"limits: {{{text}}}")

    @property
    def visits(self) -> list[str]:
        """What was passed to visit(), attempt after attempt."""
        path = self.folder / "visits"
        return path.read_text().split() if path.exists() else []

    def check(self, submission: Path = REFERENCE) -> Run:
        report = self.folder / "report.json"
        words = (self.folder, submission, "--json", report)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "labgrader", "check", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return Run(
            done.returncode,
            done.stdout,
            done.stderr,
            json.loads(report.read_text(encoding="utf-8")) if report.exists() else None,
        )


VISIT = """def visit(word):
    with (Path(__file__).parents[1] / "visits").open("a") as file:
        file.write(word + "\\n")
"""


@pytest.fixture(scope="session", autouse=True)
def hosts_image() -> None:
    """The hosts' image, so that no test waits for it."""
    image.ensure()


@pytest.fixture
def lab(tmp_path: Path) -> SmallLab:
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    folder = tmp_path / "labs" / "tcp-server"
    shutil.copytree(
        ROOT / "labs/tcp-server", folder, ignore=shutil.ignore_patterns("mutants", "__pycache__", "test_*")
    )
    (folder / "checks").mkdir(exist_ok=True)
    return SmallLab(folder)


Write = Callable[[str], Path]
