"""RUN, the folder that a class's grading is kept in: which folders will do, and who works in it now."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from labgrader.batch import files
from labgrader.errors import UsageError
from labgrader.intake.entry import Entry
from labgrader.nightly import lock
from labgrader.printable import printable

DATABASE = "run.sqlite"
REPORTS = "reports"
LOCK = "lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Make `folder` if it is not there and keep others from grading in it for the time of the block.

    Gives whether the last one to grade in it was cut off. Raises UsageError for a folder that holds other
    things, and, with its holder, for one where a grading is under way.
    """
    try:
        folder.mkdir(files.FOLDER, parents=True, exist_ok=True)
        there = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}; name a folder of yours.") from error
    others = sorted(there - {LOCK, REPORTS})
    if DATABASE not in there and others:
        raise UsageError(
            f"--out {folder}: that folder holds other things ({printable(others[0])}); name a new one."
        )
    path = folder / LOCK
    was_cut_off = path.exists() and path.stat().st_size > 0
    with lock.held(path, f"A grading in {folder}"):
        files.remove_unfinished(folder)
        yield was_cut_off


def must_be_apart(folder: Path, submissions: Path, entries: Iterable[Entry] = ()) -> None:
    """Raise UsageError if RUN lies among what students handed in, or that in RUN.

    A student must never be able to hand in a file that is then read as ours. A roster's folder may hold RUN,
    as long as no entry of it does.
    """
    run = folder.resolve()
    places = {submissions.resolve()}
    for entry in entries:
        places |= {part.root.joinpath(*part.path).resolve() for part in entry.parts}
        places |= {entry.path.resolve()} if entry.path is not None else set()
    for place in places:
        if run == place or place in run.parents:
            raise UsageError(
                f"--out {folder}: that lies in {printable(str(place))}, among the submissions; name a folder "
                f"outside of it."
            )
        if run in place.parents:
            raise UsageError(
                f"--out {folder}: the submissions ({printable(str(place))}) lie in it; name another folder."
            )


def must_be_a_run(folder: Path, word: str) -> None:
    """Raise UsageError unless `folder` is what `lab grade --out` left; `word` is how it was called."""
    if not (folder / DATABASE).is_file():
        what = "is no folder of a grading" if folder.is_dir() else "is not there"
        raise UsageError(f"{word} {folder} {what}; name what ./lab grade was given as --out.")
    if not os.access(folder / DATABASE, os.R_OK):
        raise UsageError(f"{word} {folder}: its {DATABASE} may not be read by you.")
