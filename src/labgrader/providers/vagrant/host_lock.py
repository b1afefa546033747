"""One lock for the whole machine: VirtualBox imports, clones, starts and restores one machine at a time.

The lock is an flock(2) on a file that everybody may open, so that two users' graders wait for each other,
and that a killed one lets go of at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labgrader.errors import LabError

WAIT_S = 1800.0
POLL_S = 0.1
# FHS 3.0, 5.9; but on some systems, those of Red Hat's family for one, only root may write in it.
FOLDER, ELSE = Path("/run/lock"), Path("/tmp")


def path() -> Path:
    """Where the lock is: in /run/lock, which a boot empties, or in /tmp where that is not open to all."""
    if folder := os.environ.get("LABGRADER_LOCK_FOLDER"):
        return Path(folder) / "labgrader-vagrant"
    # Whoever asks, root too, must come to the same answer.
    with contextlib.suppress(OSError):
        if FOLDER.stat().st_mode & stat.S_IWOTH:
            return FOLDER / "labgrader-vagrant"
    return ELSE / "labgrader-vagrant"


@contextlib.contextmanager
def held(tell: Callable[[str], None], wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the machine's lock during the block; LabError if another has it for `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        handle = _open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(handle):
                break
        except BlockingIOError:
            if not told:
                tell("Another labgrader is making or restoring machines; waiting for it…")
                told = True
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if time.monotonic() > deadline:
            raise LabError(
                f"Another labgrader holds {path()} for more than {wait_s / 60:.0f} minutes; "
                "see what it does (ps -ef | grep vagrant), or try again later."
            )
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(handle)


def remove() -> bool:
    """Remove the lock's file if nobody holds it and it is ours; whether it was removed."""
    try:
        handle = os.open(path(), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_current(handle) or os.fstat(handle).st_uid != os.geteuid():
            return False
        path().unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _open() -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            # Without O_CREAT, which the kernel refuses on another user's file here (fs.protected_regular).
            return os.open(path(), flags)
        except FileNotFoundError:
            handle = os.open(path(), flags | os.O_CREAT, 0o666)
            with contextlib.suppress(PermissionError):
                os.fchmod(handle, 0o666)
            return handle
    except OSError as error:
        raise LabError(
            f"The lock {path()} cannot be opened: {error.strerror}; remove it if it is old."
        ) from error


def _is_current(handle: int) -> bool:
    """Whether the file that was locked is the one that others will open, and was not removed meanwhile."""
    try:
        there = os.stat(path(), follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
