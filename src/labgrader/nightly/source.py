"""What exactly is being proven: the commit, and a digest of all that decides a verdict."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from labgrader.model.spec import Lab, labs_folder
from labgrader.quarantine import FILE

PARTS = ("src/labgrader", "templates", "tasks.py", "lab", "Vagrantfile", "requirements.lock")
GIT_S = 30.0


def commit() -> str:
    """The checkout's commit; empty where there is no git or no repository."""
    argv = ["git", "-C", str(labs_folder().parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def digest(labs: Iterable[Lab]) -> str:
    """sha256 over labgrader and these labs, mutants included; not over quarantines, which a run writes."""
    total = hashlib.sha256()
    root = labs_folder().parent
    for top in [*(root / part for part in PARTS), *(lab.folder for lab in labs)]:
        for path in _files(top):
            total.update(f"{top.name}/{path.relative_to(top)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _files(top: Path) -> Iterator[Path]:
    for path in [top] if top.is_file() else sorted(top.rglob("*")):
        left_out = path.name in (FILE, f".{FILE}.new") or "__pycache__" in path.parts
        if path.is_file() and not left_out:
            yield path
