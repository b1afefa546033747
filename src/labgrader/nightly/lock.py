"""One at a time: a lock file that its holder's end releases, however that comes."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from labgrader.errors import LabError, UsageError

SETTLE_S = 2.0  # for a holder that has the lock to have written who it is


@contextlib.contextmanager
def held(path: Path, what: str = "A nightly run") -> Iterator[None]:
    """Hold the lock for the time of the block; UsageError that says who has it if `what` is under way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"The lock {path} cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{what} is under way already: {_holder(path)}. Wait for its end, or end it first."
            ) from None
        with contextlib.suppress(OSError):  # a full disk: it is held all the same
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(_myself()).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _myself() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join(["./lab", *sys.argv[1:]]),
    }


def _holder(path: Path) -> str:
    """Who holds the lock, in its own words; one that was killed may have left its words behind."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if Path(f"/proc/{said['pid']}").exists():
                return f"process {said['pid']} on {said['host']}, since {said['since']} ({said['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            pass
        time.sleep(0.02)
    return f"a process that has locked {path}"
