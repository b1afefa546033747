"""Looks into the archives among a student's files: one budget for all, and only what is asked for is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from labgrader.errors import LabError, SubmissionError
from labgrader.intake import archives
from labgrader.intake.archives import MAX_ARCHIVE_BYTES, SUFFIXES, Budget, Member
from labgrader.intake.misnamed import not_read_here
from labgrader.intake.submission import MAX_MEMBERS, FileRule, bounded, ignored, read_member
from labgrader.printable import printable

MAX_ARCHIVES = 8  # within one entry; more are hardly handed in on purpose
_COMPARED = 9  # of files that lie equally deep: the one that counts, and those that must be the same
_TOLD = 8


@dataclass(frozen=True)
class Opened:
    """The files, with those of archives below the archive's own name.

    `names` are the archives that hold something, printable; `broken` a sentence for each that could not be
    looked into; `others` one for each of a kind that is not read here.
    """

    members: tuple[Member, ...]
    names: tuple[str, ...]
    broken: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """What is to be told if there are files to grade all the same."""
        passed_over = [*self.broken, *self.others]
        notes = [f"{name} was unpacked." for name in self.names]
        notes += [f"Not looked into: {sentence}" for sentence in passed_over[:_TOLD]]
        more = len(passed_over) - _TOLD
        return [*notes, f"Not looked into: {more} more archives."] if more > 0 else notes


def opened(found: Sequence[Member], rules: Mapping[str, FileRule], budget: Budget) -> Opened:
    """The files and those in their archives, one level deep, at most MAX_ARCHIVES of them.

    Of an archive's files only what may count is read, and at once: no two archives are in memory together.
    Raises UsageError when an archive cannot be read, LabError when this machine has no memory for it.
    """
    members: list[Member] = []
    names: list[str] = []
    # Sentences and not errors: an error holds on to all that was in memory when it was raised.
    broken: list[str] = []
    others: list[str] = []
    looked_at = 0
    for member in found:
        name, shown = member.path[-1], printable(member.name)
        if member.kind != "file" or name in rules or ignored(member.path):
            members.append(member)
        elif archives.is_other_archive(name):
            members.append(member)
            others.append(not_read_here(shown))
        elif not name.lower().endswith(SUFFIXES):
            members.append(member)
        elif looked_at == MAX_ARCHIVES:
            broken.append(f"{shown} is one archive too many, after {MAX_ARCHIVES}; hand in only one.")
        else:
            looked_at += 1
            try:
                inner = _unpacked(member, shown, rules, budget)
            except SubmissionError as error:
                broken.append(error.message)
                continue
            members += inner
            names += [shown] if inner else []
    return Opened(tuple(members), tuple(names), tuple(broken), tuple(others))


def _unpacked(member: Member, shown: str, rules: Mapping[str, FileRule], budget: Budget) -> list[Member]:
    data = read_member(member, shown, MAX_ARCHIVE_BYTES + 1)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise SubmissionError(f"{shown} has more than {MAX_ARCHIVE_BYTES >> 20} MiB; hand in a smaller file.")
    if not archives.is_archive(data[:512]):
        raise SubmissionError(f"{shown} is not a zip or tar archive; pack it again.")
    inner = bounded(archives.members(data, shown, budget), rules, MAX_MEMBERS, shown)
    return [replace(one, path=(*member.path, *one.path)) for one in _kept(inner, rules)]


def _kept(found: Iterable[Member], rules: Mapping[str, FileRule]) -> list[Member]:
    """The same members, those that may count with their bytes, the others as names alone."""
    listed = list(found)
    counting: set[int] = set()
    for name in rules:
        same = [place for place, member in enumerate(listed) if member.path[-1] == name]
        depth = min((len(listed[place].path) for place in same), default=0)
        counting.update([place for place in same if len(listed[place].path) == depth][:_COMPARED])
    return [
        replace(member, read=_held(member, rules[member.path[-1]].limit()) if place in counting else _gone)
        for place, member in enumerate(listed)
    ]


def _held(member: Member, limit: int) -> Callable[[int], bytes]:
    """What reads the member as it does itself, without its archive."""
    if member.kind != "file" or member.size > limit:
        return _gone  # refused for that, unread
    try:
        data = member.read(limit + 1)
    except SubmissionError as error:
        return _Refusal(error.message)
    return _Bytes(data)


@dataclass(frozen=True)
class _Bytes:
    data: bytes

    def __call__(self, limit: int) -> bytes:
        return self.data[:limit]


@dataclass(frozen=True)
class _Refusal:
    message: str

    def __call__(self, limit: int) -> bytes:
        raise SubmissionError(self.message)


def _gone(limit: int) -> bytes:
    raise LabError("a file in an archive was asked for that had been taken for one that does not count.")
