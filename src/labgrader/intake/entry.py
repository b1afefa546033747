"""What one student of a class handed in, before its files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Part:
    """One file or folder of an entry: `path` below `root`, which is the class's folder or zip.

    `name` is what the student called the file, where the download calls it something else; `order` grows with
    the time of upload; `versions` says that an upload of the same name again has a number in its name.
    """

    root: Path
    path: tuple[str, ...]
    name: str = ""
    order: int = 0
    versions: bool = False


@dataclass(frozen=True)
class Entry:
    """One student of a class and what was handed in.

    `student` is unique in the class and safe as a file name ([A-Za-z0-9._@-]{1,100}); `name` and `email` are
    known from some sources only; `source` is what the entry is called where it came from, printable; `path`
    the file, folder or repository, or for a download that was not unpacked the class's zip; `submitted` is
    aware, None where the source does not tell it; `late` is what follows, or what the source says itself.
    `problem` is one sentence: this entry cannot be graded and gets a row all the same. `notes` are sentences
    for the student. `commit` is the full hash of the commit that counts. `keys` are the student's numbers
    elsewhere ({"moodle": "12345"}), for filling in gradebooks. `parts` are for `collect`. `origin` says who
    it is whatever else is in the class, and `wish` the id that follows if it is nobody else's.
    """

    student: str
    source: str
    name: str | None = None
    email: str | None = None
    path: Path | None = None
    kind: Literal["files", "repository"] = "files"
    submitted: datetime | None = None
    late: bool = False
    problem: str | None = None
    notes: tuple[str, ...] = ()
    commit: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    origin: str = ""
    wish: str = ""


@dataclass(frozen=True)
class Stray:
    """Something in the class's folder or zip that belongs to no entry: its printable name, and why."""

    source: str
    why: str
