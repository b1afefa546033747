"""The file run.sqlite itself: opened, made if it is not there, and its failures told as ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from labgrader.batch.folder import DATABASE, REPORTS
from labgrader.errors import LabError, UsageError

VERSION = 1
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE student (
    id TEXT PRIMARY KEY,
    place INTEGER NOT NULL,      -- in the tables
    entry TEXT NOT NULL,         -- what was handed in, as JSON, without report
    settled INTEGER NOT NULL,    -- the last grading that came as far as this student
    seen INTEGER NOT NULL        -- the last grading whose class had this student
) WITHOUT ROWID;
CREATE TABLE judging (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    student TEXT NOT NULL,
    submission TEXT NOT NULL, lab TEXT NOT NULL, parameters TEXT NOT NULL,  -- these five: what the report
    provider TEXT NOT NULL, grader TEXT NOT NULL,                           -- is final for
    status TEXT NOT NULL,
    report TEXT NOT NULL         -- JSON
);
CREATE INDEX judging_of ON judging (student, number);
"""


def address(path: Path, write: bool) -> str:
    """The file for SQLite; with its log in it, it can be read where no log can be made: from a copy, say."""
    log = path.with_name(f"{path.name}-wal")
    alone = not write and not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return path.absolute().as_uri() + ("?immutable=1" if alone else "")


def prepare(connection: sqlite3.Connection, path: Path, write: bool) -> None:
    """Make the tables if there are none and `write`; UsageError for a file that is not this labgrader's."""
    if not write:
        connection.execute("PRAGMA query_only = ON")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version == 0 and not names and write:
        if any((path.parent / REPORTS).glob("*.json")):  # they would be removed as nobody's
            raise sqlite3.DatabaseError("it is empty, and reports are there")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version > VERSION:
        raise UsageError(f"{path} was made by a newer labgrader; use that one, or another folder.")
    elif version != VERSION or not {"about", "student", "judging"} <= names:
        raise UsageError(f"{path} holds no grading; name another folder.")
    elif write:
        # A damaged page may lie where the grading would come hours later.
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1])


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """SQLite's failures as ours, with what to do."""
    path = folder / DATABASE
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LabError(
            f"{path}: {error}. What was graded until now is kept; mend that, and the same command goes on."
        ) from error
    except sqlite3.DatabaseError as error:
        raise LabError(
            f"{path} is damaged ({error}). Move it away and grade into a new folder; the reports in "
            f"{folder / REPORTS} are not touched by that."
        ) from error


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What is not in the form that it was written in."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        with told(folder):
            raise sqlite3.DatabaseError(f"{type(error).__name__}: {error}") from error
