"""Lists the class's folder or zip one level deep, without following links or unpacking anything."""

from __future__ import annotations

import functools
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labgrader.errors import LabgraderError, SubmissionError, UsageError
from labgrader.intake import gradescope
from labgrader.intake.archives import FOLDER, Member, kind_of, zip_members
from labgrader.intake.download_names import is_gradescope, named
from labgrader.intake.entry import Part, Stray
from labgrader.intake.folders import folder_members, read_regular
from labgrader.intake.repositories import git_folder
from labgrader.intake.submission import ignored
from labgrader.printable import printable

MAX_ITEMS = 20_000
MAX_ZIP_MEMBERS = 200_000
MAX_LOOKED_AT = 3000  # files of one student's folder


@dataclass(frozen=True)
class Item:
    """One name at the top of the class's folder or zip.

    `path` holds its parts below the root; `kind` is "file", "a folder", or what else it is; `modified` in
    seconds since 1970, None where no time of handing in is kept; `problem` says why it cannot be read;
    `repository` whether it is a git repository.
    """

    path: tuple[str, ...]
    kind: str
    modified: float | None = None
    problem: str | None = None
    repository: bool = False

    @property
    def name(self) -> str:
        return self.path[-1]


@dataclass(frozen=True)
class Scan:
    """What is in the class's folder or zip at `root`; `metadata` is Gradescope's file, if there is one."""

    root: Path
    items: tuple[Item, ...]
    strays: tuple[Stray, ...]
    metadata: bytes | None


def scan(root: Path) -> Scan:
    """Lists the items in the folder or zip at `root`, or in the one folder of a download that is in it.

    Raises UsageError when it cannot be read as a whole.
    """
    strays: list[Stray] = []
    if root.is_dir():
        listed = _on_disk(root, ())
    elif not root.exists():
        raise UsageError(f"there is no {printable(str(root))}; name the folder or zip of the class.")
    else:
        listed = _in_zip(root, strays)
    items = _told(listed, strays)
    if len(items) == 1 and items[0].kind == FOLDER and named(items[0].name) is None:
        ignored_below: list[Stray] = []
        inner = _told(below(root, items[0]), ignored_below)
        if _is_download(inner) or (root.suffix.lower() == ".zip" and items[0].name == root.stem):
            strays += ignored_below + _of_its_name(root, items[0])
            items = inner
    metadata = None
    for item in items:
        if item.name == gradescope.METADATA and item.kind == "file":
            member = next(members(Part(root, item.path)))
            try:
                metadata = member.read(gradescope.MAX_METADATA_BYTES + 1)
            except OSError as error:
                raise UsageError(f"{item.name} cannot be read: {error.strerror}; make it readable.") from None
            items = [other for other in items if other is not item]
            strays.append(Stray(printable(item.name), "read as Gradescope's list of who handed in what"))
            break
    return Scan(root, tuple(items), tuple(strays), metadata)


def members(part: Part) -> Iterator[Member]:
    """The files of a part, with the paths that they have below it; a single file has its name.

    Raises SubmissionError or UsageError when they cannot be listed, UsageError or OSError when they are gone.
    """
    if part.root.is_dir():
        path = part.root.joinpath(*part.path)
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and len(part.path) == 1:
            yield from folder_members(path, ignored)
        elif len(part.path) == 1:
            read = functools.partial(read_regular, os.fspath(path))
            yield Member((path.name,), kind_of(status.st_mode), status.st_size, read)
        else:  # from the root on, so that no folder on the way can be a link
            for member in folder_members(part.root, lambda folder: not _on_way(part.path, folder)):
                if member.path[: len(part.path)] == part.path:
                    yield replace(member, path=member.path[len(part.path) :] or part.path[-1:])
    else:
        there = False
        for member in _below_in_zip(part.root, part.path):
            there = True
            if member.kind != FOLDER:
                yield replace(member, path=member.path or part.path[-1:])
        if not there:
            shown = printable("/".join(part.path))
            raise UsageError(f"{shown} is not in {printable(part.root.name)} any more; put it back.")


def _below_in_zip(root: Path, path: tuple[str, ...]) -> Iterator[Member]:
    """What the class's zip has at and below `path`, folders too, with the paths from there on."""
    for member in _zip_index(root).get(path[0], ()):
        if member.path[: len(path)] == path:
            yield replace(member, path=member.path[len(path) :])


def _on_way(path: tuple[str, ...], folder: object) -> bool:
    assert isinstance(folder, tuple)
    return folder[: len(path)] == path[: len(folder)] and (len(folder) < len(path) or not ignored(folder))


def _of_its_name(root: Path, folder: Item) -> list[Stray]:
    """A file that a zip has under the very name of the folder which everything else is in."""
    if root.is_dir() or all(
        member.path or member.kind == FOLDER for member in _below_in_zip(root, folder.path)
    ):
        return []
    return [Stray(printable(folder.name), "a file with the name of the folder that everything else is in")]


def _is_download(items: list[Item]) -> bool:
    return any(
        named(item.name) is not None or is_gradescope(item.name) or item.name == gradescope.METADATA
        for item in items
    )


def _told(items: list[Item], strays: list[Stray]) -> list[Item]:
    """The items that somebody handed in; the others are added to the strays."""
    kept = []
    for item in items:
        if ignored((item.name,)) or item.name.startswith("."):
            strays.append(Stray(printable(item.name), "left behind by a program; nobody hands it in"))
        else:
            kept.append(item)
    if len(kept) > MAX_ITEMS:
        raise UsageError(f"there are more than {MAX_ITEMS} names in the class's folder; grade it in parts.")
    return kept


def item_at(root: Path, path: tuple[str, ...]) -> Item | None:
    """The item at `path` below the root, however deep; None if there is none, or a link leads there."""
    if not root.is_dir():
        found = {member.path: member.kind for member in _below_in_zip(root, path)}
        return _item(path, found.get((), FOLDER)) if found else None
    try:
        modes = [root.joinpath(*path[: end + 1]).lstat() for end in range(len(path))]
    except (OSError, ValueError):
        return None
    if not all(stat.S_ISDIR(status.st_mode) for status in modes[:-1]):
        return None
    return readable(root, _item(path, kind_of(modes[-1].st_mode), modes[-1].st_mtime))


def below(root: Path, item: Item) -> list[Item]:
    """What is in an item, one level deep."""
    if root.is_dir():
        return _on_disk(root, item.path)
    found: dict[str, str] = {}
    for member in _below_in_zip(root, item.path):
        if len(member.path) > 1:
            found[member.path[0]] = FOLDER
        elif member.path and found.get(member.path[0]) != FOLDER:
            found[member.path[0]] = member.kind
    return [_item((*item.path, name), kind) for name, kind in sorted(found.items())]


def _item(path: tuple[str, ...], kind: str, modified: float | None = None) -> Item:
    problem = None
    if kind not in ("file", FOLDER):
        problem = (
            f"{printable(path[-1])} is {kind}, which is not followed or opened; hand in the file itself."
        )
    return Item(path, kind, modified, problem)


def _on_disk(root: Path, below: tuple[str, ...]) -> list[Item]:
    folder = root.joinpath(*below)
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    except OSError as error:
        raise UsageError(
            f"{printable(str(folder))} cannot be read: {error.strerror}; make it readable."
        ) from None
    return [
        readable(root, _item((*below, name), kind_of(status.st_mode), status.st_mtime))
        for name, status in found
    ]


def readable(root: Path, item: Item) -> Item:
    """The item with a problem if it, or a file in its folder, may not be read; and with its newest time."""
    path = root.joinpath(*item.path)
    if item.problem is None and item.kind == "file" and not os.access(path, os.R_OK, effective_ids=True):
        return replace(item, problem=_forbidden(item.name))
    if item.kind != FOLDER:
        return item
    if git_folder(path) is not None:
        return replace(item, repository=True)
    newest: float | None = None
    try:
        for number, member in enumerate(folder_members(path, ignored)):
            if number == MAX_LOOKED_AT:
                break
            inside = path.joinpath(*member.path)
            if member.kind == "file" and not os.access(inside, os.R_OK, effective_ids=True):
                return replace(item, problem=_forbidden("/".join((item.name, *member.path))))
            newest = max(newest or 0.0, inside.lstat().st_mtime)
    except LabgraderError as error:
        return replace(item, problem=error.message)
    except OSError as error:  # it changes while it is read
        return replace(item, problem=f"{printable(item.name)} cannot be read: {error.strerror}.")
    return replace(item, modified=newest if newest is not None else item.modified)


def _forbidden(name: str) -> str:
    return f"{printable(name)} may not be read by you (user id {os.geteuid()}); make it readable."


def _in_zip(root: Path, strays: list[Stray]) -> list[Item]:
    items = []
    for name, found in _zip_index(root).items():
        if not name:
            strays += [Stray(printable(m.name or "/"), "its name leads outside the zip") for m in found]
        else:
            kinds = {FOLDER if len(member.path) > 1 else member.kind for member in found}
            kind = FOLDER if FOLDER in kinds else found[0].kind
            items.append(_item((name,), kind))
    return sorted(items, key=lambda item: item.name)


def _zip_index(root: Path) -> dict[str, tuple[Member, ...]]:
    """The members of the class's zip by the first part of their path; "" has those that lead outside."""
    try:
        status = root.stat()
        return _zip_opened(root, status.st_mtime_ns, status.st_size, os.getpid())
    except UsageError:
        raise
    except Exception as error:  # a parser over foreign bytes: whatever it raises means that they are damaged
        why = error.strerror if isinstance(error, OSError) else "it is not a zip, or was cut short"
        raise UsageError(
            f"{printable(str(root))} cannot be read: {why}; name the folder or the zip of the class."
        ) from None


@functools.lru_cache(maxsize=2)
def _zip_opened(root: Path, _modified: int, _size: int, _process: int) -> dict[str, tuple[Member, ...]]:
    # Kept open, because each student's files are read from it later; a forked process must have its own.
    archive = zipfile.ZipFile(root)
    if len(archive.infolist()) > MAX_ZIP_MEMBERS:
        raise UsageError(
            f"{printable(root.name)} holds more than {MAX_ZIP_MEMBERS} files; grade it in parts."
        )
    found: dict[str, list[Member]] = {}
    # With its folders: an empty one may be all that somebody handed in.
    for member in zip_members(archive, printable(root.name), folders=True):
        if member.kind == FOLDER and not member.path:
            continue
        outside = not member.path or ".." in member.path
        kept = replace(member, read=functools.partial(_read_of_class, root, member))
        found.setdefault("" if outside else member.path[0], []).append(kept)
    return {name: tuple(listed) for name, listed in found.items()}


def _read_of_class(root: Path, member: Member, limit: int) -> bytes:
    """A member of the class's zip; UsageError if that fails, for no student has packed it."""
    try:
        return member.read(limit)
    except SubmissionError as error:
        cause = error.__cause__
        why = (
            cause.strerror
            if isinstance(cause, OSError)
            else "it is damaged, or packed in a way that is not read"
        )
        raise UsageError(
            f"{printable(member.name)} in {printable(root.name)} cannot be read: {why}; "
            "download it again, or unpack it and name the folder."
        ) from None
