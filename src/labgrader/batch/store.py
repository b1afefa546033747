"""What is known of a class's grading: run.sqlite, and a JSON file for each report.

One process writes, the one that holds RUN's lock. A judging is committed, with the disk's word for it, before
its JSON file is written; a file that a kill or a full disk has prevented is made up for at the next opening.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labgrader.batch import files
from labgrader.batch.database import address, prepare, readable, told
from labgrader.batch.folder import DATABASE, REPORTS
from labgrader.errors import LabError
from labgrader.model.class_results import Row
from labgrader.model.results import Report, Status


@dataclass(frozen=True)
class Key:
    """What a report is final for; digests and versions as text, the parameters as JSON with sorted names."""

    submission: str
    lab: str
    parameters: str
    provider: str
    grader: str


@dataclass(frozen=True)
class Judging:
    """One report of one student, and what it was made from; later ones have greater numbers."""

    number: int
    student: str
    key: Key
    report: Report

    @property
    def final(self) -> bool:
        return self.report.status is not Status.INCOMPLETE


class Store:
    """An open run.sqlite. Every method raises LabError if the disk does not take or give what it should."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection

    def begin(self, about: Mapping[str, Any], rows: Iterable[Row]) -> None:
        """A grading begins with this class; who was in the class before stays in it, at the end.

        What has a problem is settled; of the others each waits for `keep` or `settle`.
        """
        with self._transaction():
            number = self.grading + 1
            self._tell({**about, "grading": number, "done": False})
            self._connection.execute("UPDATE student SET place = place + 1000000000 WHERE place < 1000000000")
            for place, row in enumerate(rows):
                settled = number if row.problem is not None else 0
                self._connection.execute(
                    "INSERT INTO student VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                    "place = excluded.place, entry = excluded.entry, settled = excluded.settled, "
                    "seen = excluded.seen",
                    (row.student, place, _entry_json(row), settled, number),
                )
        self.mend_files()

    def keep(self, student: str, key: Key, report: Mapping[str, Any], *, settled: bool) -> None:
        """Add a judging, which counts from now on; `report` is the JSON form. On the disk after this."""
        text = _text(report)
        with self._transaction():
            self._connection.execute(
                "INSERT INTO judging (student, submission, lab, parameters, provider, grader, status, "
                "report) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (student, *dataclasses.astuple(key), report["status"], text),
            )
            if settled:
                self._settle(student)
        files.write(self.report_path(student), text.encode())

    def settle(self, student: str) -> None:
        """Nothing is left to do for this student in this grading.

        A power cut may take it back: the next grading comes here again, and finds what it found.
        """
        with self._transaction(synced=False):
            self._settle(student)

    def end(self, finished: str) -> None:
        """Everyone is settled, and the tables are written."""
        with self._transaction():
            self._tell({"finished": finished, "done": True})

    def tell(self, about: Mapping[str, Any]) -> None:
        """Keep facts about the grading, by name."""
        with self._transaction():
            self._tell(about)

    @property
    def grading(self) -> int:
        """How many gradings were begun in this folder."""
        return int(self.about().get("grading", 0))

    def about(self) -> dict[str, Any]:
        """The facts about the last grading."""
        found = self._rows("SELECT name, value FROM about")
        with readable(self.folder):
            return {name: json.loads(value) for name, value in found}

    def final(self, student: str, key: Key) -> Judging | None:
        """The latest judging of the student that is final for `key`."""
        found = self._rows(
            "SELECT number, student, submission, lab, parameters, provider, grader, report FROM judging "
            "WHERE student = ? AND submission = ? AND lab = ? AND parameters = ? AND provider = ? "
            "AND grader = ? AND status != 'incomplete' ORDER BY number DESC LIMIT 1",
            (student, *dataclasses.astuple(key)),
        )
        return self._judging(found[0]) if found else None

    def newest(self, student: str) -> Judging | None:
        """The judging that counts."""
        found = self.judgings(student, 1)
        return found[0] if found else None

    def judgings(self, student: str, most: int = -1) -> list[Judging]:
        """The student's judgings, the newest first; at most so many."""
        found = self._rows(
            "SELECT number, student, submission, lab, parameters, provider, grader, report FROM judging "
            "WHERE student = ? ORDER BY number DESC LIMIT ?",
            (student, most),
        )
        return [self._judging(row) for row in found]

    def students(self) -> list[tuple[Row, bool, bool]]:
        """The class in its order: the row without a report, whether it is settled, whether still in it."""
        now = self.grading
        found = self._rows("SELECT entry, settled, seen FROM student ORDER BY place, id")
        with readable(self.folder):
            return [(_row(entry), settled == now, seen == now) for entry, settled, seen in found]

    def given(self) -> dict[str, str]:
        """The ids of all students by what each was given for; who is in the class now comes first."""
        found: dict[str, str] = {}
        for row, _, _ in self.students():
            if row.origin:
                found.setdefault(row.origin, row.student)
        return found

    def mend_files(self) -> None:
        """Make each student's JSON file what the newest judging says; who has a problem now has none."""
        found = self._rows(
            "SELECT student, report FROM judging WHERE number IN "
            "(SELECT max(number) FROM judging GROUP BY student)"
        )
        gone = {row.student for row, _, present in self.students() if row.problem is not None and present}
        reports = {
            f"{REPORTS}/{student}.json": text.encode() for student, text in found if student not in gone
        }
        files.write_all(self.folder, reports)
        files.remove_others(self.folder / REPORTS, {self.folder / name for name in reports})

    def report_path(self, student: str) -> Path:
        return self.folder / REPORTS / f"{student}.json"

    def _settle(self, student: str) -> None:
        self._connection.execute("UPDATE student SET settled = ? WHERE id = ?", (self.grading, student))

    def _tell(self, about: Mapping[str, Any]) -> None:
        items = [(name, json.dumps(value, ensure_ascii=False)) for name, value in about.items()]
        self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", items)

    @contextlib.contextmanager
    def _transaction(self, *, synced: bool = True) -> Iterator[None]:
        with told(self.folder):
            # Full: a report that was told as kept is there after a power cut. It costs one fsync a report.
            # What may be lost is not synced; but without a log an unsynced change could damage the file.
            log = self._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            full = synced or not log
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with told(self.folder):
            return self._connection.execute(statement, tuple(values)).fetchall()

    def _judging(self, row: tuple[Any, ...]) -> Judging:
        number, student, *key, text = row
        try:
            return Judging(number, student, Key(*key), Report.from_json(json.loads(text)))
        except ValueError as error:
            raise LabError(f"{self.folder / DATABASE}: judging {number} cannot be read: {error}.") from error


@contextlib.contextmanager
def opened(folder: Path, *, write: bool) -> Iterator[Store]:
    """The store in RUN, made if it is not there and `write`.

    Raises UsageError for a file of another program or of a newer labgrader, LabError for a damaged one.
    """
    path = folder / DATABASE
    if write:
        # SQLite gives the files beside it the mode that it has. What keeps it from being made, SQLite tells.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE))
        for one in folder.glob(f"{path.name}*"):
            files.close_to_others(one)
    with told(folder):
        connection = sqlite3.connect(address(path, write), uri=True, isolation_level=None, timeout=10.0)
    try:
        store = Store(folder, connection)
        with told(folder):
            prepare(connection, path, write)
        yield store
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _text(report: Mapping[str, Any]) -> str:
    # A lone surrogate becomes the escape that JSON has for it.
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def _entry_json(row: Row) -> str:
    data = {name: value for name, value in vars(row).items() if name not in ("report",)}
    return json.dumps(data | {"keys": dict(row.keys)}, ensure_ascii=True)


def _row(text: str) -> Row:
    data = json.loads(text)
    return Row(**{**data, "notes": tuple(data["notes"])})
