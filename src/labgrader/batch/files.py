"""Files that are whole or not there, whatever ends the program or the machine while they are written."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from labgrader.errors import LabError

TEMPORARY = ".new-"


def write(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, on the disk when this returns; a reader sees the old file or the new one.

    Its folder is made if it is missing. Raises LabError.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        temporary = _beside(path, data)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """The same for many files by their path below `folder`, made on the way; those that are so already stay.

    Each is whole or as it was; of all together some may be new and others old until this returns. Raises
    LabError.
    """
    made: list[tuple[Path, Path]] = []
    path = folder
    try:
        for name, data in files.items():
            path = folder / name
            if holds(path, data):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            made.append((_beside(path, data, sync=False), path))
        if not made:
            return
        _sync_file_system(folder)
        for temporary, path in made:
            temporary.replace(path)
        _sync_file_system(folder)
    except OSError as error:
        for temporary, _ in made:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def holds(path: Path, data: bytes) -> bool:
    """Whether `path` is a file with exactly this content."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def remove_unfinished(folder: Path) -> None:
    """Remove what killed writers left in or below `folder`, in files that have names of their own."""
    for path in folder.rglob(f"{TEMPORARY}*"):
        pid = path.name.removeprefix(TEMPORARY).partition("-")[0]
        if pid == str(os.getpid()) or not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                path.unlink()


def remove_others(folder: Path, kept: Collection[Path]) -> None:
    """Remove the files in or below `folder` that are not among `kept`: tables of who is no longer in them."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):  # a folder that is not empty stays
            if path.is_dir():
                path.rmdir()
            elif path not in kept:
                path.unlink()


def unwritable(path: Path, error: OSError) -> LabError:
    """What to tell of a file that could not be written."""
    return LabError(
        f"{path} cannot be written: {error.strerror or error}. What was graded until now is kept; mend that, "
        f"and the same command goes on."
    )


def _beside(path: Path, data: bytes, *, sync: bool = True) -> Path:
    """A file with the data in the same folder, under a name that is nobody's."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}"[:250])
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file_system(folder: Path) -> None:
    """One syncfs(2) instead of an fsync for each of thousands of files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)
