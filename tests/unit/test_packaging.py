"""A wheel has all that lies beside the modules: templates, boxes, shell, and the files of a guest."""

from __future__ import annotations

import glob
import subprocess
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "src" / "labgrader"


def tracked() -> set[str]:
    """The files of the package that git has, relative to it."""
    # The checkout may be another user's, as in a container of CI: we only list names.
    argv = ["git", "-c", "safe.directory=*", "-C", str(PACKAGE), "ls-files", "-z"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if name and (PACKAGE / name).exists()}


def is_module(name: str) -> bool:
    """Whether setuptools takes it for a module: every folder down to it must be a package."""
    path = PACKAGE / name
    between = [folder for folder in path.parents if folder.is_relative_to(PACKAGE)]
    return path.suffix == ".py" and all((folder / "__init__.py").exists() for folder in between)


def test_every_file_beside_the_modules_is_in_the_package_data() -> None:
    patterns = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    matched = {
        name
        for pattern in patterns["labgrader"]
        for name in glob.glob(pattern, root_dir=PACKAGE, recursive=True)
    }
    beside = {name for name in tracked() if not is_module(name)}
    assert {"providers/vagrant/boxes.yaml", "reporters/html/page.html.j2", "guest/lib/agent.py"} <= beside
    assert beside - matched == set()
