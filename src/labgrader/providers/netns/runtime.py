"""Where running labs keep their sockets, who owns which, and removing what killed runs left.

Each lab has one folder, named by its id, with a lock that its grader holds. Every name that a lab leaves
outside its namespaces (folder, cgroups, the supervisor's command line) carries the id, so that a
clean-up needs no other state and touches nothing that is not ours.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import time
from pathlib import Path

from labgrader.errors import LabError
from labgrader.providers.netns import cgroups

LAB_ID = re.compile(r"[0-9a-f]{8}\Z")
CGROUP = re.compile(re.escape(cgroups.PREFIX) + r"([0-9a-f]{8})-[a-z][a-z0-9-]*\Z")
END_S = 5.0
# A lab with another runtime folder has cgroups for a moment before it has processes.
STRANGE_S = 60.0


def root() -> Path:
    """The folder of all running labs of this user (mode 0700, ours, not a link).

    A Unix socket's path has at most 107 bytes (unix(7)), so a long XDG_RUNTIME_DIR is not used.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and len(base) < 50 and os.access(base, os.W_OK):
        path = Path(base) / "labgrader"
    else:
        path = Path(f"/tmp/labgrader-{os.geteuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        seen = path.lstat()
    except OSError as error:
        raise LabError(f"{path} cannot be made: {error}.") from error
    if not path.is_dir() or path.is_symlink() or seen.st_uid != os.geteuid():
        raise LabError(f"{path} is not a folder of this user's; remove it and try again.")
    if seen.st_mode & 0o077:
        path.chmod(0o700)
    return path


def claim(folder: Path) -> int:
    """Make a lab's folder and take its lock, which is held until this process ends; the lock's descriptor."""
    folder.mkdir(mode=0o700)
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def release(folder: Path, lock: int | None) -> None:
    """Remove the folder and the lab's cgroups (the supervisor normally has) and let go of the lock."""
    for directory in cgroups.leftovers():
        shape = CGROUP.match(directory.name)
        if shape is not None and shape[1] == folder.name:
            _remove(directory)
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def clean() -> list[str]:
    """End and remove every lab of this user's whose grader is gone; a line for each thing removed."""
    removed = []
    dead = set()
    for folder in root().glob(".????????.*"):  # a grader was killed in the moment of claiming one
        if time.time() - folder.lstat().st_mtime > STRANGE_S and not _is_owned(folder):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in sorted(root().iterdir()):
        if not LAB_ID.match(folder.name) or folder.is_symlink() or not folder.is_dir() or _is_owned(folder):
            continue
        dead.add(folder.name)
        for pid in _supervisors(folder.name):
            _end(pid)
            removed.append(f"process {pid} (supervisor of lab {folder.name})")
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(f"folder {folder}")
    for directory in cgroups.leftovers():
        if _is_left_over(directory, dead) and _remove(directory):
            removed.append(f"cgroup {directory}")
    return removed


def _is_left_over(directory: Path, dead: set[str]) -> bool:
    """Whether a cgroup is of a lab of this user's that is gone."""
    shape = CGROUP.match(directory.name)
    try:
        seen = directory.lstat()
        if shape is None or seen.st_uid != os.geteuid():
            return False
        if shape[1] in dead:
            return True
        strange = time.time() - seen.st_mtime < STRANGE_S or (directory / "cgroup.procs").read_text() != ""
        return not strange and not (root() / shape[1]).exists() and not _supervisors(shape[1])
    except OSError:
        return False


def _is_owned(folder: Path) -> bool:
    """Whether a living grader holds the lab's lock."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _supervisors(lab_id: str) -> list[int]:
    """Our supervisor processes of one lab, known by their command line and their owner."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.stat().st_uid != os.geteuid():
                continue
        except OSError:
            continue
        if words[-2:] == [lab_id.encode(), b""] and b"".join(words[-3:-2]).endswith(b"/netns/supervisor.py"):
            found.append(int(entry.name))
    return found


def _end(pid: int) -> None:
    deadline = time.monotonic() + END_S
    try:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)  # a stopped one could not obey
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _remove(directory: Path) -> bool:
    deadline = time.monotonic() + END_S
    while True:
        try:
            directory.rmdir()
            return True
        except FileNotFoundError:
            return False
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
