"""Which commit of a student's git repository counts, and the files in it; nothing of git's is run.

See docs/decisions/0008-reading-repositories.md.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from labgrader.errors import LabError, LabgraderError, SubmissionError
from labgrader.intake import deadlines
from labgrader.intake.archives import Member
from labgrader.intake.folders import MAX_DEPTH, folder_members, read_below
from labgrader.intake.git_objects import Objects, Unreadable
from labgrader.intake.submission import FileRule, Submission, from_members, ignored
from labgrader.printable import printable

MAX_COMMITS = 20_000
MAX_FILES = 20_000
_MAX_REFS = 16 << 20
_HASH = re.compile(r"[0-9a-f]{40}")
_NOTHING = "0" * 40
_USUAL = ("main", "master")
_LFS = b"version https://git-lfs.github.com/spec/"
_COMMITTER = re.compile(rb"committer [^\n]*?(-?\d{1,18}) [+-]\d{4}")
_LINE = re.compile(
    rb"(?P<old>[0-9a-f]{40}) (?P<new>[0-9a-f]{40}) [^\t]*? (?P<time>\d{1,18}) [+-]\d{4}(?:\t.*)?"
)


@dataclass(frozen=True)
class Chosen:
    """The commit that counts, or the sentence that says why there is none; `when` is aware."""

    commit: str | None = None
    when: datetime | None = None
    late: bool = False
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Commit:
    oid: str
    tree: str
    parent: str | None
    when: datetime | None


def git_folder(path: Path) -> Path | None:
    """The folder of git's own files if `path`, which is no link, is a repository, bare or not; else None."""
    for folder in (path / ".git", path):
        try:
            kinds = {name: (folder / name).lstat().st_mode for name in ("HEAD", "objects", "refs")}
            folders = (folder.lstat().st_mode, kinds["objects"], kinds["refs"])
            if all(map(stat.S_ISDIR, folders)) and stat.S_ISREG(kinds["HEAD"]):
                return folder
        except OSError:
            continue
    return None


def choose(path: Path, deadline: datetime | None) -> Chosen:
    """The last commit on the default branch of the repository at `path`, by `deadline` if there is one.

    What counts as its time is when it was pushed, where a bare repository keeps a log of that, else the
    committer's date. If there is nothing before the deadline the last commit is taken, which is then late.
    """
    shown = printable(path.name)
    git = git_folder(path)
    if git is None:
        return Chosen(problem=f"{shown} is not a git repository any more.")
    try:
        branch, tip, notes = _default_branch(git, shown)
        with Objects(git) as objects:
            if git != path:
                notes = (*notes, f"The commit was graded, not the files that lie beside it in {shown}.")
                pushes = []
            else:
                pushes = _pushes(git, branch)
            return _by(objects, tip, pushes, deadline, notes)
    except Unreadable as error:
        return Chosen(problem=f"the repository {shown} cannot be graded: {error}.")
    except LabgraderError as error:
        return Chosen(problem=error.message)
    except OSError as error:
        return Chosen(problem=f"the repository {shown} cannot be read: {error.strerror}.")


def collect(
    path: Path, commit: str, rules: Mapping[str, FileRule], student: str, below: tuple[str, ...] = ()
) -> Submission:
    """The files that the lab wants in that commit of the repository at `path`, in its folder `below`.

    Raises SubmissionError, LabError or OSError when it is gone or the machine fails to read it.
    """
    shown = printable(path.name)
    git = git_folder(path)
    if git is None:
        raise LabError(f"{shown} is not a git repository any more; put it back.")
    modules: list[str] = []
    try:
        with Objects(git) as objects:
            files = _files(objects, _commit(objects, commit).tree, modules)
            found = [
                replace(member, path=member.path[len(below) :])
                for member in files
                if member.path[: len(below)] == below and len(member.path) > len(below)
            ]
            where = printable("/".join((path.name, *below)))
            submission = from_members(found, rules, f"{where} at {commit[:10]}", student)
    except Unreadable as error:
        raise SubmissionError(f"the repository {shown} cannot be graded: {error}.") from None
    except OSError as error:
        raise LabError(f"the repository {shown} cannot be read: {error.strerror}.") from None
    for name, data in submission.files.items():
        if data.startswith(_LFS):
            raise SubmissionError(
                f"{name} in {shown} is a pointer of Git LFS and not the file; commit the file itself."
            )
    notes = tuple(f"{name} is a submodule, which is not looked into." for name in modules[:5])
    return Submission(submission.student, submission.files, submission.digest, submission.notes + notes)


def _default_branch(git: Path, shown: str) -> tuple[str, str, tuple[str, ...]]:
    """The branch that HEAD names, or the one that must be meant; its commit; notes."""
    head = _text(git, ("HEAD",), 4096).strip()
    if _HASH.fullmatch(head):
        return "", head, (f"{shown} is on no branch; the commit that it stands at was taken.",)
    branches = _branches(git)
    name = head.removeprefix("ref: refs/heads/")
    if name in branches:
        return name, branches[name], ()
    if name == ".invalid":
        raise Unreadable("its branches are in git's reftable format, which is not read here")
    if not branches:
        raise Unreadable("it has no commit")
    # The server's default and the student's often have different names.
    others: list[str] = [other for other in _USUAL if other in branches] or list(branches)
    if len(branches) > 1 and others[0] not in _USUAL:
        listed = ", ".join(printable(other, 40) for other in sorted(branches)[:5])
        raise Unreadable(f"its default branch {printable(name, 40)} has no commit, and there are {listed}")
    note = f"The default branch {printable(name, 40)} has no commit; {printable(others[0], 40)} was taken."
    return others[0], branches[others[0]], (note,)


def _branches(git: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _text(git, ("packed-refs",), _MAX_REFS).splitlines():
        oid, _, name = line.partition(" ")
        if name.startswith("refs/heads/"):
            found[name.removeprefix("refs/heads/")] = oid
    for number, member in enumerate(folder_members(git, lambda path: tuple(path[:2]) not in _REFS)):
        if number > MAX_FILES:
            raise Unreadable(f"it has more than {MAX_FILES} branches")
        if member.path[:2] == _REFS[1] and member.kind == "file" and not member.path[-1].endswith(".lock"):
            found["/".join(member.path[2:])] = member.read(200).decode("ascii", "replace").strip()
    if any(len(oid) == 64 for oid in found.values()):
        raise Unreadable("it uses SHA-256, which is not read here")
    return {name: oid for name, oid in found.items() if _HASH.fullmatch(oid)}


_REFS = (("refs",), ("refs", "heads"))


def _text(git: Path, path: tuple[str, ...], limit: int) -> str:
    try:
        return read_below(git, path, limit).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _pushes(git: Path, branch: str) -> list[tuple[datetime, str, str]]:
    """When the branch moved, from where and to where, if the server keeps a log; oldest first."""
    if not branch or ".." in branch.split("/"):
        return []
    text = _text(git, ("logs", "refs", "heads", *branch.split("/")), _MAX_REFS)
    found = []
    for line in text.encode("utf-8", "surrogateescape").split(b"\n"):
        match = _LINE.fullmatch(line)
        when = deadlines.moment(int(match["time"])) if match else None
        if match and when:
            found.append((when, match["old"].decode(), match["new"].decode()))
    return found


def _by(
    objects: Objects,
    tip: str,
    pushes: list[tuple[datetime, str, str]],
    deadline: datetime | None,
    notes: tuple[str, ...],
) -> Chosen:
    last = _commit(objects, tip)
    logged = bool(pushes) and pushes[-1][2] == tip
    when = pushes[-1][0] if logged else last.when
    if deadline is None or (when is not None and when <= deadline):
        return Chosen(tip, when, notes=notes)
    after = f"Commits after the deadline ({deadlines.shown(deadline)}) were left out."
    late = Chosen(tip, when, True, notes=(*notes, "Nothing was committed before the deadline."))
    if logged:
        before = [push for push in pushes if push[0] <= deadline]
        if before:
            when, _, start = before[-1]
            if start == _NOTHING:
                return Chosen(problem="the branch had been deleted when the deadline came.", notes=notes)
            return Chosen(_commit(objects, start).oid, when, notes=(*notes, after))
        if pushes[0][1] == _NOTHING:
            pushed = "Nothing was pushed before the deadline."
            return Chosen(tip, when, True, notes=(*notes, pushed))
        last = _commit(objects, pushes[0][1])  # the log begins later than the deadline
    found = _dated(objects, last, deadline)
    return Chosen(found.oid, found.when, notes=(*notes, after)) if found else late


def _dated(objects: Objects, commit: _Commit, deadline: datetime) -> _Commit | None:
    """The first commit back along the first parents whose date is not after the deadline."""
    for _ in range(MAX_COMMITS):
        if commit.when is not None and commit.when <= deadline:
            return commit
        if commit.parent is None:
            return None
        commit = _commit(objects, commit.parent)
    raise Unreadable(f"more than {MAX_COMMITS} commits are later than the deadline")


def _commit(objects: Objects, oid: str) -> _Commit:
    header, _, _ = objects.read(oid, b"commit").partition(b"\n\n")
    lines = header.split(b"\n")
    trees = [line[5:].decode("ascii", "replace") for line in lines if line.startswith(b"tree ")]
    parents = [line[7:].decode("ascii", "replace") for line in lines if line.startswith(b"parent ")]
    dates = [match for line in lines if (match := _COMMITTER.fullmatch(line))]
    if not trees or not all(_HASH.fullmatch(name) for name in (*trees, *parents)):
        raise Unreadable(f"commit {oid} is damaged")
    when = deadlines.moment(int(dates[0][1])) if dates else None
    return _Commit(oid, trees[0], parents[0] if parents else None, when)


def _files(objects: Objects, tree: str, modules: list[str]) -> Iterator[Member]:
    """The files and links of a tree, breadth first; the submodules' names are added to `modules`."""
    waiting: list[tuple[tuple[str, ...], str]] = [((), tree)]
    count = 0
    for folder, oid in waiting:
        data, at = objects.read(oid, b"tree"), 0
        while at < len(data):
            count += 1
            nul = data.find(b"\0", at)
            mode, _, raw = data[at:nul].partition(b" ")
            name, at = os.fsdecode(raw), nul + 21
            if nul < 0 or at > len(data) or not raw or count > MAX_FILES:
                raise Unreadable(
                    f"it has more than {MAX_FILES} files" if nul > 0 else "a folder in it is damaged"
                )
            path, below = (*folder, name), data[nul + 1 : at].hex()
            if mode == b"160000":
                modules.append(printable("/".join(path)))
            elif mode in (b"40000", b"040000"):
                if not ignored(path) and len(path) <= MAX_DEPTH:
                    waiting.append((path, below))
            else:
                kind = "a symbolic link" if mode == b"120000" else "file"
                yield Member(path, kind, 0, _reader(objects, below))


def _reader(objects: Objects, oid: str) -> Callable[[int], bytes]:
    return lambda limit: objects.read(oid, b"blob")[:limit]
