"""Files that are whole or not there, whatever ends the program or the machine while they are written.

They hold scores, addresses and what hidden checks say: they and the folders made for them are their owner's
alone, whatever the umask says.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from labgrader.errors import LabError

TEMPORARY = ".new-"
FILE, FOLDER = 0o600, 0o700


def write(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, on the disk when this returns; a reader sees the old file or the new one.

    Its folder is made if it is missing. Raises LabError.
    """
    try:
        path.parent.mkdir(FOLDER, exist_ok=True)
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
                close_to_others(path)
                continue
            _make_folders(folder, path.parent)
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


def close_to_others(path: Path) -> None:
    """Take a file's rights from all but its owner, where that can be: an older labgrader left them."""
    with contextlib.suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(FILE)


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
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def _make_folders(top: Path, folder: Path) -> None:
    """Make `folder`, below `top`, and those on the way to it; mkdir gives its mode to the last one only."""
    for one in reversed([folder, *folder.parents]):
        if top in one.parents:
            one.mkdir(FOLDER, exist_ok=True)


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
