"""Reads single objects of a git repository that its student controls; see docs/decisions/0008.

No program of git's is run and no configuration, hook, filter, alternate or replacement is read: only loose
objects, pack indexes of version 2 and packs, each opened without following a link. Whatever is read has the
hash by which it was asked for.
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from labgrader.errors import SubmissionError
from labgrader.intake.folders import folder_members, read_below

MAX_OBJECT = 64 << 20
MAX_BYTES = 512 << 20  # of all objects together, unpacked, deltas and their bases included
MAX_OBJECTS = 100_000
_MAX_INDEX = 128 << 20
_MAX_CHAIN = 1000
_TYPES = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_PACK = re.compile(r"pack-[0-9a-f]{40,64}\.idx")
_NO_FILE = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR, errno.ENOENT)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unreadable(Exception):
    """What is wrong with the repository, as the end of a sentence: «object abc is missing»."""


class Objects:
    """The objects of the repository whose git folder is `git`; a context manager that closes its packs.

    Raises Unreadable for what is missing, damaged, no file, or too much; OSError when the machine fails.
    """

    def __init__(self, git: Path) -> None:
        self._git = git
        self._packs: list[tuple[bytes, str]] | None = None
        self._open: dict[str, int] = {}
        self._objects = 0
        self._bytes = 0

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def read(self, oid: str, kind: bytes) -> bytes:
        """The content of the object `oid` (40 hexadecimal digits), which must be of that kind."""
        found, data = self._find(oid, 0)
        if hashlib.sha1(b"%s %d\0" % (found, len(data)) + data, usedforsecurity=False).hexdigest() != oid:
            raise Unreadable(f"object {oid} is damaged")
        if found != kind:
            raise Unreadable(f"object {oid} is a {found.decode()} where a {kind.decode()} must be")
        return data

    def _find(self, oid: str, depth: int) -> tuple[bytes, bytes]:
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise Unreadable(f"it has more than {MAX_OBJECTS} objects to look at")
        try:
            packed = read_below(self._git, ("objects", oid[:2], oid[2:]), MAX_OBJECT)
        except FileNotFoundError:
            return self._in_packs(oid, depth)
        except (OSError, SubmissionError) as error:
            raise _whose(error, f"object {oid} is no plain file") from None
        data = _inflate(_of_bytes(packed), MAX_OBJECT + 100)
        header, nul, content = data.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if not nul or kind not in _TYPES.values() or size != b"%d" % len(content):
            raise Unreadable(f"object {oid} is damaged")
        return kind, self._counted(content)

    def _counted(self, data: bytes) -> bytes:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise Unreadable(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
        return data

    def _in_packs(self, oid: str, depth: int) -> tuple[bytes, bytes]:
        wanted = bytes.fromhex(oid)
        for index, name in self._indexes():
            offset = _offset(index, wanted)
            if offset is not None:
                return self._packed(name, offset, depth)
        raise Unreadable(f"object {oid} is missing{self._borrowed()}")

    def _borrowed(self) -> str:
        info = self._git / "objects" / "info" / "alternates"
        return (
            " (it is borrowed from another repository, which is not followed)"
            if os.path.lexists(info)
            else ""
        )

    def _indexes(self) -> list[tuple[bytes, str]]:
        if self._packs is None:
            self._packs, total = [], 0
            ways = (("objects",), ("objects", "pack"))
            for member in folder_members(self._git, lambda folder: tuple(folder) not in ways):
                if member.path[:-1] == ways[1] and _PACK.fullmatch(member.path[-1]):
                    total += member.size
                    if member.kind != "file" or total > _MAX_INDEX:
                        raise Unreadable(f"a pack index is no file, or all have over {_MAX_INDEX >> 20} MiB")
                    index = member.read(member.size)
                    _check_index(index)
                    self._packs.append((index, member.path[-1][: -len("idx")] + "pack"))
        return self._packs

    def _packed(self, name: str, offset: int, depth: int) -> tuple[bytes, bytes]:
        """The object at `offset` of a pack; the deltas on the way are kept until their base is found."""
        fd = self._pack(name)
        deltas: list[bytes] = []
        while True:
            if len(deltas) + depth > _MAX_CHAIN:
                raise Unreadable("its deltas are chained too deeply")
            head = os.pread(fd, 64, offset)
            kind, size, at = _entry_header(head)
            if size > MAX_OBJECT:
                raise Unreadable(f"it holds an object of more than {MAX_OBJECT >> 20} MiB")
            base_offset, base_id = 0, b""
            if kind == _OFS_DELTA:
                back, at = _back_reference(head, at)
                base_offset = offset - back
            elif kind == _REF_DELTA:
                base_id, at = head[at : at + 20], at + 20
            data = self._counted(_inflate(_of_file(fd, offset + at), size))
            if len(data) != size:
                raise Unreadable("a pack is damaged")
            if kind in _TYPES:
                found = _TYPES[kind]
                break
            deltas.append(data)
            if kind == _REF_DELTA:
                found, data = self._find(base_id.hex(), depth + len(deltas))
                break
            if kind != _OFS_DELTA or base_offset <= 0 or base_offset >= offset:
                raise Unreadable("a pack is damaged")
            offset = base_offset
        for delta in reversed(deltas):
            data = self._counted(_patched(data, delta))
        return found, data

    def _pack(self, name: str) -> int:
        if name not in self._open:
            try:
                fd = os.open(self._git / "objects" / "pack" / name, _FILE)
            except OSError as error:
                raise _whose(error, f"a pack cannot be read: {error.strerror}") from None
            self._open[name] = fd
            if os.pread(fd, 8, 0) not in (b"PACK\0\0\0\2", b"PACK\0\0\0\3"):
                raise Unreadable("a pack is damaged")
        return self._open[name]


def _whose(error: Exception, what: str) -> Exception:
    """A link or a pipe in place of a file is the student's doing; other failures are the machine's."""
    return error if isinstance(error, OSError) and error.errno not in _NO_FILE else Unreadable(what)


def _of_bytes(data: bytes) -> Callable[[int, int], bytes]:
    return lambda at, count: data[at : at + count]


def _of_file(fd: int, start: int) -> Callable[[int, int], bytes]:
    return lambda at, count: os.pread(fd, count, start + at)


def _inflate(source: Callable[[int, int], bytes], limit: int) -> bytes:
    """What the zlib stream from `source` (position, count) on holds, at most `limit` bytes."""
    stream = zlib.decompressobj()
    parts: list[bytes] = []
    at, left, step = 0, limit + 1, 4096
    try:
        while not stream.eof and left > 0:
            piece = stream.unconsumed_tail
            if not piece:
                piece = source(at, step)
                at, step = at + len(piece), 1 << 16
                if not piece:
                    raise Unreadable("an object ends too early")
            parts.append(stream.decompress(piece, left))
            left -= len(parts[-1])
    except zlib.error:
        raise Unreadable("an object is damaged") from None
    if left <= 0:
        raise Unreadable("an object is larger than it says, or too large")
    return b"".join(parts)


def _check_index(index: bytes) -> None:
    if index[:8] != b"\xfftOc\0\0\0\2" or len(index) < 8 + 1024 + 40:
        raise Unreadable("a pack index is damaged or older than git 1.6")
    count = _four(index, 8 + 255 * 4)
    if len(index) < 8 + 1024 + count * 28 + 40:
        raise Unreadable("a pack index is damaged")


def _four(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _offset(index: bytes, wanted: bytes) -> int | None:
    """Where in its pack the object `wanted` is; None if it is not in this one."""
    count, names = _four(index, 8 + 255 * 4), 8 + 1024
    low = _four(index, 8 + 4 * (wanted[0] - 1)) if wanted[0] else 0
    high = min(_four(index, 8 + 4 * wanted[0]), count)
    place = bisect.bisect_left(
        range(max(low, 0), max(low, high)), wanted, key=lambda n: index[names + 20 * n : names + 20 * n + 20]
    )
    place += low
    if place >= high or index[names + 20 * place : names + 20 * place + 20] != wanted:
        return None
    offsets = names + 24 * count
    offset = _four(index, offsets + 4 * place)
    if offset & 0x80000000:
        at = offsets + 4 * count + 8 * (offset & 0x7FFFFFFF)
        offset = int.from_bytes(index[at : at + 8], "big")
    if offset >= 1 << 62:
        raise Unreadable("a pack index is damaged")
    return offset


def _entry_header(head: bytes) -> tuple[int, int, int]:
    """The kind and the unpacked size of a packed object, and the length of what says so."""
    size, shift, at = 0, 4, 0
    while True:
        if at >= len(head) or at > 9:
            raise Unreadable("a pack is damaged")
        byte = head[at]
        if at == 0:
            kind, size = byte >> 4 & 7, byte & 15
        else:
            size |= (byte & 0x7F) << shift
            shift += 7
        at += 1
        if not byte & 0x80:
            return kind, size, at


def _back_reference(head: bytes, at: int) -> tuple[int, int]:
    value = -1
    while at < min(len(head), 24):
        byte = head[at]
        value, at = (value + 1) << 7 | (byte & 0x7F), at + 1
        if not byte & 0x80:
            return value, at
    raise Unreadable("a pack is damaged")


def _patched(base: bytes, delta: bytes) -> bytes:
    """`base` with a delta of git's applied: copies of ranges of the base, and new bytes."""
    base_size, at = _size(delta, 0)
    size, at = _size(delta, at)
    if base_size != len(base) or size > MAX_OBJECT:
        raise Unreadable("a delta does not fit its base")
    parts: list[bytes] = []
    total = 0
    while at < len(delta):
        command, at = delta[at], at + 1
        if command & 0x80:
            numbers = [0] * 7
            for bit in range(7):
                if command & 1 << bit:
                    numbers[bit] = delta[at] if at < len(delta) else 0
                    at += 1
            start = int.from_bytes(bytes(numbers[:4]), "little")
            part = base[start : start + (int.from_bytes(bytes(numbers[4:]), "little") or 0x10000)]
        else:
            part, at = delta[at : at + command], at + command
        total += len(part)
        if not part or total > size:
            raise Unreadable("a delta is damaged")
        parts.append(part)
    if total != size:
        raise Unreadable("a delta is damaged")
    return b"".join(parts)


def _size(delta: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(delta) and shift < 64:
        byte, at = delta[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
    raise Unreadable("a delta is damaged")
