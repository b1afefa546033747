"""What a nightly run has finished, on disk a JSON line at a time: a reboot costs one step at most."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labgrader.errors import LabError
from labgrader.proving import record
from labgrader.proving.record import Record

WITHIN = datetime.timedelta(hours=24)


@dataclass
class Journal:
    """An open journal; `resumed` is how many finished steps it already had."""

    path: Path
    started: datetime.datetime
    out: Path
    resumed: int = 0
    _records: dict[tuple[str, str, str], Record] = field(default_factory=dict)

    def of(self, lab: str) -> LabMemory:
        """The steps of one lab, as a proof asks for them."""
        return LabMemory(self, lab)

    def record(self, lab: str, provider: str, step: str) -> Record | None:
        return self._records.get((lab, provider, step))

    def keep(self, lab: str, provider: str, step: str, seen: Record) -> None:
        self._append(
            {"event": "step", "lab": lab, "provider": provider, "step": step, "record": seen.to_json()}
        )
        self._records[lab, provider, step] = seen

    def end(self, status: int) -> None:
        """The run is over; the next one begins anew."""
        self._append({"event": "end", "status": status})

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            with self.path.open("ab") as stream:
                stream.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise LabError(f"The journal {self.path} cannot be written: {error.strerror}.") from error

    def take(self, line: Mapping[str, Any]) -> None:
        """One line that was read back."""
        if line["event"] == "step":
            key = (line["lab"], line["provider"], line["step"])
            self._records[key] = record.from_json(line["record"])
            self.resumed += 1


@dataclass(frozen=True)
class LabMemory:
    """One lab's part of a journal."""

    journal: Journal
    lab: str

    def recall(self, provider: str, step: str) -> Record | None:
        return self.journal.record(self.lab, provider, step)

    def keep(self, provider: str, step: str, seen: Record) -> None:
        self.journal.keep(self.lab, provider, step, seen)


def resume(path: Path, key: Mapping[str, Any], now: datetime.datetime) -> Journal | None:
    """The journal of the same run (`key`), if it was begun less than a day ago and did not end; else None.

    A last line that was cut off by the machine's end is taken away.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LabError(f"The journal {path} cannot be read: {error.strerror}.") from error
    journal: Journal | None = None
    good = 0
    for raw in data.splitlines(keepends=True):
        try:
            line = json.loads(raw) if raw.endswith(b"\n") else None
            if line is None:
                break
            if journal is None:
                started = datetime.datetime.fromisoformat(line["started"])
                if line["key"] != key or not datetime.timedelta(0) <= now - started < WITHIN:
                    return None
                journal = Journal(path, started, Path(line["out"]))
            elif line["event"] == "end":
                return None
            else:
                journal.take(line)
        except (ValueError, KeyError, TypeError):
            break
        good += len(raw)
    if journal is not None and good < len(data):
        with path.open("r+b") as stream:
            stream.truncate(good)
            os.fsync(stream.fileno())
    return journal


def begin(path: Path, key: Mapping[str, Any], now: datetime.datetime, out: Path) -> Journal:
    """A new journal in place of the old one; raises LabError."""
    temporary = path.with_suffix(".new")
    line = {"event": "begin", "key": key, "started": now.isoformat(), "out": str(out)}
    try:
        with temporary.open("wb") as stream:
            stream.write(json.dumps(line).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LabError(f"The journal {path} cannot be written: {error.strerror}.") from error
    return Journal(path, now, out)
