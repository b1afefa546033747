"""Kept machines: one folder (a slot) for each set of machines that were made, whoever uses them now.

A slot belongs to the process that holds its lock. Its state says how far it came, so that what a killed
run left can be told from what was put away in order:

    making   being created and prepared; a killed run leaves a half of it
    leased   in use by a grader
    off      given back and switched off; what they had in memory is in their snapshot
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labgrader.errors import LabError

ID = re.compile(r"[0-9a-f]{8}\Z")
MAKING, LEASED, OFF = "making", "leased", "off"


@dataclass
class Slot:
    """One claimed slot; `lock` is the descriptor that holds it."""

    folder: Path
    lock: int | None

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def prefix(self) -> str:
        """What the name of each of its machines and networks begins with."""
        return f"labgrader-{self.id}-"

    @property
    def log(self) -> Path:
        return self.folder / "vagrant.log"

    def read(self, name: str) -> dict[str, Any]:
        """One of the slot's JSON files; {} if it is not there or was never finished."""
        try:
            data = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write(self, name: str, data: object) -> None:
        """Write one of the slot's JSON files, whole or not at all."""
        path = self.folder / name
        fresh = path.with_name(f".{name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)

    @property
    def state(self) -> str:
        return str(self.read("slot.json").get("state", MAKING))

    def become(self, state: str) -> None:
        """Note how far the slot came, and when."""
        self.write("slot.json", {**self.read("slot.json"), "state": state, "since": time.time()})

    def release(self) -> None:
        """Let go of the lock."""
        lock, self.lock = self.lock, None
        if lock is not None:
            os.close(lock)

    def forget(self) -> None:
        """Remove the folder; the machines are gone already."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def root() -> Path:
    """The folder of all slots: XDG_STATE_HOME (default ~/.local/state), in labgrader/vagrant."""
    base = os.environ.get("XDG_STATE_HOME")
    folder = Path(base) if base else Path(os.path.expanduser("~")) / ".local/state"
    path = folder / "labgrader" / "vagrant"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{path} cannot be made: {error}. Set XDG_STATE_HOME to a folder of yours.") from error
    return path


def claim(key: str, lab: str, settings: str) -> tuple[Slot, bool]:
    """A free slot whose machines were made for `key`, else a new one; whether it was there already.

    lab, settings: what a new one is noted to be for, by a name and by Settings.key.
    """
    for slot in unclaimed():
        if slot.read("slot.json").get("key") == key and slot.state in (LEASED, OFF):
            return slot, True
        slot.release()
    folder = root() / secrets.token_hex(4)
    folder.mkdir(mode=0o700)
    lock = _lock(folder)
    if lock is None:
        raise LabError(f"{folder} was taken in the moment it was made; try again.")
    slot = Slot(folder, lock)
    slot.write(
        "slot.json",
        {
            "key": key,
            "lab": lab,
            "settings": settings,
            "state": MAKING,
            "made": time.time(),
            "since": time.time(),
        },
    )
    return slot, False


def superseded(new: Slot) -> Iterator[Slot]:
    """Each finished slot for the same lab and settings as `new` and for another key; claimed.

    Such machines are as their lab, the box or labgrader were before, and would be kept for nobody. One that
    has the same key is for whoever grades beside us.
    """
    ours = new.read("slot.json")
    for slot in unclaimed():
        said = slot.read("slot.json")
        same = all(said.get(name) == ours[name] for name in ("lab", "settings"))
        if same and said.get("key") != ours["key"] and slot.state in (LEASED, OFF):
            yield slot
        else:
            slot.release()


def unclaimed() -> Iterator[Slot]:
    """Each slot that nobody holds, claimed; the caller releases or forgets it."""
    for folder in sorted(root().iterdir()):
        if ID.match(folder.name) and folder.is_dir() and not folder.is_symlink():
            lock = _lock(folder)
            if lock is not None:
                yield Slot(folder, lock)


def claimed() -> list[str]:
    """The ids of the slots that somebody holds."""
    free = []
    for slot in unclaimed():
        free.append(slot.id)
        slot.release()
    return [path.name for path in root().iterdir() if ID.match(path.name) and path.name not in free]


def _lock(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            os.close(lock)
    return None
