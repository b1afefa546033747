"""Walks and reads what a student's folder holds; opens nothing but plain files and follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from labgrader.errors import SubmissionError, UsageError
from labgrader.intake.archives import Member, kind_of
from labgrader.printable import printable

MAX_DEPTH = 40
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without blocking: what was a file a moment ago may be a named pipe now.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def folder_members(root: os.PathLike[str], skip: Callable[[Sequence[str]], bool]) -> Iterator[Member]:
    """The files, links, pipes and devices below `root`, breadth first, without the folders to `skip`.

    Raises UsageError when a folder may not be read, SubmissionError when folders are nested too deeply.
    """
    waiting: list[tuple[str, ...]] = [()]
    for folder in waiting:
        for name, status in _listing(root, folder):
            path = (*folder, name)
            if not stat.S_ISDIR(status.st_mode):
                kind = kind_of(status.st_mode)
                yield Member(path, kind, status.st_size, partial(read_below, root, path))
            elif not skip(path):
                if len(path) > MAX_DEPTH:
                    raise SubmissionError(
                        f"{printable('/'.join(path))} is nested more than {MAX_DEPTH} folders deep."
                    )
                waiting.append(path)


def read_regular(path: str, limit: int, folder_fd: int | None = None) -> bytes:
    """At most `limit` bytes of the plain file `path`.

    Raises OSError (ELOOP for a symbolic link), or SubmissionError when it is another kind of thing.

    A hard link to a file of another user is refused: it would hand out what only the grader may read.
    """
    fd = os.open(path, _FILE, dir_fd=folder_fd)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        name = printable(os.path.basename(path))
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(f"{name} is {kind_of(status.st_mode)}; hand in the file itself.")
        if status.st_nlink > 1:
            folder = os.stat(os.path.dirname(path) or ".") if folder_fd is None else os.fstat(folder_fd)
            if folder.st_uid != status.st_uid:
                raise SubmissionError(
                    f"{name} is a hard link to another user's file; hand in the file itself."
                )
        return file.read(limit)


def _open_folder(root: os.PathLike[str], parts: Sequence[str]) -> int:
    """Opens a folder part by part, so that none of the parts can be a link."""
    fd = os.open(root, _FOLDER)
    for part in parts:
        try:
            below = os.open(part, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _listing(root: os.PathLike[str], folder: Sequence[str]) -> list[tuple[str, os.stat_result]]:
    shown = printable("/".join((os.path.basename(os.fspath(root)), *folder)))
    try:
        fd = _open_folder(root, folder)
        try:
            with os.scandir(fd) as entries:
                return sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
        finally:
            os.close(fd)
    except PermissionError:
        raise UsageError(
            f"the folder {shown} may not be read by you (user id {os.geteuid()}); make it readable."
        ) from None
    except OSError as error:
        raise UsageError(f"the folder {shown} cannot be read: {error.strerror}.") from None


def read_below(root: os.PathLike[str], path: Sequence[str], limit: int) -> bytes:
    """As `read_regular`, of the file at `path` below the folder `root`; no part of the way may be a link."""
    fd = _open_folder(root, path[:-1])
    try:
        return read_regular(path[-1], limit, fd)
    finally:
        os.close(fd)
