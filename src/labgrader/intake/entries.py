"""The class's submissions as entries, one a student, and the files of each.

for entry in entries(Path("day08"), deadline=parse("2026-03-01 23:59"), files=["tcp_server.py"]):
    if entry.problem is None:
        submission = collect(entry, rules)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from labgrader.errors import LabError, LabgraderError, SubmissionError, UsageError
from labgrader.intake import class_folder, ids, packed, repositories, submission
from labgrader.intake import roster as rosters
from labgrader.intake.archives import RAW_MEMBERS, Budget, Member
from labgrader.intake.download_names import newest, of_file
from labgrader.intake.entry import Entry, Part, Stray
from labgrader.intake.scan import members, scan
from labgrader.intake.submission import FileRule, Submission
from labgrader.printable import printable

__all__ = ["Class", "Entry", "Part", "Stray", "collect", "entries", "known_before", "strays", "whole_class"]


@dataclass(frozen=True)
class Class:
    """The entries, sorted by student, and what is in the folder or zip besides."""

    entries: tuple[Entry, ...]
    strays: tuple[Stray, ...]


def entries(
    path: Path,
    *,
    deadline: datetime | None = None,
    roster: Path | None = None,
    files: Collection[str] = (),
) -> list[Entry]:
    """The students' entries in the class's folder, bulk download or roster at `path`, sorted by student.

    `deadline` is aware; `roster` a CSV that says who is to be graded; `files` are the names that the lab asks
    for, by which `alice_tcp_server.py` is known to be alice's. What cannot be graded has a `problem`.
    Raises UsageError, with file and line, for a path or roster that is unusable as a whole.
    """
    return list(whole_class(path, deadline=deadline, roster=roster, files=files).entries)


def strays(path: Path, *, roster: Path | None = None, files: Collection[str] = ()) -> list[Stray]:
    """What in the class's folder belongs to no entry, for the instructor to be told; raises as `entries`."""
    return list(whole_class(path, roster=roster, files=files).strays)


def whole_class(
    path: Path,
    *,
    deadline: datetime | None = None,
    roster: Path | None = None,
    files: Collection[str] = (),
) -> Class:
    """The entries and the strays of one reading of the folder; parameters and errors as of `entries`."""
    if deadline is not None and deadline.tzinfo is None:
        raise ValueError("the deadline must have a zone")
    path = path.absolute()
    if path.suffix.lower() == ".csv" and path.is_file():
        if roster is not None:
            raise UsageError(
                f"{printable(path.name)} is a roster itself; name its folder, or leave --roster out."
            )
        path, roster = path.parent, path
    people = None if roster is None else rosters.read(roster)
    if repositories.git_folder(path) == path:
        raise UsageError(f"{printable(path.name)} is one repository; name the folder that holds the class's.")
    scanned = scan(path)
    if roster is not None:  # it is no submission, wherever it lies
        own = [item for item in scanned.items if _is(roster, path.joinpath(*item.path))]
        scanned = replace(scanned, items=tuple(item for item in scanned.items if item not in own))
    found, left = class_folder.find(scanned, deadline, files)
    if people is not None:
        found, others = rosters.match(people, scanned, found, deadline)
        left = left + others
    if not found:
        what = "; ".join(f"{stray.source}: {stray.why}" for stray in (*scanned.strays, *left)[:3])
        raise UsageError(
            f"there are no submissions in {printable(str(path))}" + (f" ({what})." if what else ".")
        )
    listed = [replace(one.entry, wish=ids.safe_id(one.entry.student), origin=one.twin) for one in found]
    return known_before(Class(tuple(listed), (*scanned.strays, *left)), {})


def known_before(found: Class, given: Mapping[str, str]) -> Class:
    """The class under the ids that its students had before: `given` are those, by their entries' `origin`."""
    wishes, origins = [entry.wish for entry in found.entries], [entry.origin for entry in found.entries]
    safe = ids.distinct(wishes, origins, given)
    listed = [replace(entry, student=id_) for entry, id_ in zip(found.entries, safe, strict=True)]
    return replace(found, entries=tuple(sorted(listed, key=lambda entry: entry.student)))


def _is(path: Path, other: Path) -> bool:
    try:
        return path.absolute() == other or path.samefile(other)
    except (OSError, ValueError):
        return False


def collect(entry: Entry, rules: Mapping[str, FileRule]) -> Submission:
    """The files that the lab asks for in an entry, in memory; archives in it are looked into, one level deep.

    The submission's `student` is the entry's; its notes are of its files alone. Raises SubmissionError for
    what the student handed in, also for an entry with a problem; LabError for files that are gone, or that
    the grader fails to read.
    """
    if entry.problem is not None:
        raise SubmissionError(entry.problem)
    try:
        taken = _taken(entry, rules)
    except SubmissionError:
        raise
    except LabgraderError as error:
        raise LabError(error.message) from None
    except OSError as error:
        raise LabError(f"{entry.source} cannot be read: {error.strerror}.") from None
    return replace(taken, student=entry.student)


def _taken(entry: Entry, rules: Mapping[str, FileRule]) -> Submission:
    if entry.kind == "repository":
        if entry.path is None or entry.commit is None:
            raise SubmissionError(f"{entry.source} has no commit to grade.")
        below = entry.parts[0].path if entry.parts else ()
        return repositories.collect(entry.path, entry.commit, rules, entry.student, below)
    only = entry.parts[0] if len(entry.parts) == 1 else None
    if only is not None and not only.name and only.root.is_dir() and len(only.path) == 1:
        path = only.root.joinpath(*only.path)
        if not path.is_dir() and not _meant(path.name, rules):
            return submission.collect(path, rules)
    budget = Budget()
    found, notes = _renamed(entry, rules, budget)
    opened = packed.opened(found, rules, budget)
    if opened.broken and not any(member.path[-1] in rules for member in opened.members):
        raise SubmissionError(opened.broken[0])
    shown = entry.source if only is None or "." in entry.source else f"{entry.source}/"
    taken = submission.from_members(opened.members, rules, shown, entry.student)
    return replace(taken, notes=(*notes, *opened.notes, *taken.notes))


def _renamed(entry: Entry, rules: Mapping[str, FileRule], budget: Budget) -> tuple[list[Member], list[str]]:
    """The files of all parts, under the student's own names for them, without older uploads."""
    found: list[Member] = []
    notes: list[str] = []
    versions = [part for part in entry.parts if part.versions and part.name]
    counting = newest([(part.name, part.order) for part in versions], rules)
    names = {versions[place].path: name for place, name in counting.items()}
    for part in entry.parts:
        listed = list(itertools.islice(members(part), RAW_MEMBERS + 1))
        budget.name(entry.source, len(listed))
        single = len(listed) == 1 and listed[0].path == part.path[-1:]
        if part.versions and part.name:
            if part.path not in names:
                notes.append(f"{printable(part.name)} was left out: there is a newer upload of it.")
                continue
            name = names[part.path]
            if name != part.name:
                notes.append(f"{printable(part.name)} was taken as {printable(name)}.")
        else:
            name = part.name
        if single and not name:
            name = _meant(listed[0].path[0], rules)
            notes += [f"{printable(listed[0].path[0])} was taken as {name}."] if name else []
        found += [replace(member, path=(name,)) if single and name else member for member in listed]
    return found, notes


def _meant(name: str, rules: Collection[str]) -> str:
    """Which of the lab's files a student's single file is, if it is called by the student's name; else ""."""
    if name in rules:
        return ""
    student = of_file(name, rules)
    if student is not None:
        return name[len(student) :].lstrip("_- ")
    # alice.py, where one file ending so is all that is asked for.
    only = next(iter(rules)) if len(rules) == 1 else ""
    alike = os.path.splitext(only)[1] == os.path.splitext(name)[1] != ""
    return only if alike else ""
