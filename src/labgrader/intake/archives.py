"""The members of a student's .zip, .tar or .tar.gz, found in memory; nothing is ever unpacked to disk. Pure.

tar is read by a few lines of our own: tarfile of the Python that Debian 12 ships loops forever on a negative
size and takes quadratic time over a long extended header, and these archives are hostile.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from labgrader.errors import LabError, SubmissionError

MAX_ARCHIVE_BYTES = 64 << 20
MAX_TOTAL_BYTES = 128 << 20  # of all members together, unpacked
MAX_RATIO = 100  # unpacked to packed, once unpacked is more than 16 MiB
RAW_MEMBERS = 100_000  # including what is ignored, such as .git
SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
OTHER_SUFFIXES = (
    ".rar",
    ".7z",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".xz",
    ".bz2",
    ".gz",
)  # not read here
FOLDER = "a folder"
_MAX_HEADER = 64 << 10
_BLOCK = 512
_STEP = 64 << 10
_ONLY_ASKED = "hand in only the files that the lab asks for"


@dataclass(frozen=True)
class Member:
    """One name in a folder or an archive.

    `path` holds its parts; `kind` is "file", or what it is instead ("a symbolic link", …); `size` in bytes;
    `read(limit)` gives at most `limit` bytes.
    """

    path: tuple[str, ...]
    kind: str
    size: int
    read: Callable[[int], bytes]

    @property
    def name(self) -> str:
        return "/".join(self.path)


@dataclass
class Budget:
    """What the archives of one submission may yet hold, all of them together; each takes its part of it."""

    unpacked: int = MAX_TOTAL_BYTES
    names: int = RAW_MEMBERS

    def take(self, count: int, shown: str, total: int, packed: int) -> None:
        """Count bytes that came out of an archive, `total` by now; SubmissionError for a bomb."""
        self.unpacked -= count
        if total > MAX_TOTAL_BYTES or (total > 16 << 20 and total > MAX_RATIO * packed):
            raise SubmissionError(f"{shown} unpacks to too much ({total >> 20} MiB or more); {_ONLY_ASKED}.")
        if self.unpacked < 0:
            most = f"{MAX_TOTAL_BYTES >> 20} MiB"
            raise SubmissionError(
                f"{shown} and the archives before it unpack to more than {most}; {_ONLY_ASKED}."
            )

    def name(self, shown: str, count: int = 1) -> None:
        """Count names; SubmissionError if there are too many."""
        self.names -= count
        if self.names < 0:
            raise SubmissionError(f"{shown} holds more than {RAW_MEMBERS} files; {_ONLY_ASKED}.")


def is_other_archive(name: str) -> bool:
    """Whether a file of this name is an archive of a kind that is not read here."""
    lower = name.lower()
    return lower.endswith(OTHER_SUFFIXES) and not lower.endswith(SUFFIXES)


def is_archive(head: bytes) -> bool:
    """Whether the first 512 bytes begin a zip, gzip or tar archive."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")) or head[257:262] == b"ustar"


def members(data: bytes, shown: str, budget: Budget | None = None) -> Iterator[Member]:
    """The files, links and devices (not the folders) in the archive `data`, `shown` being its printable name.

    `budget` is what it may hold, where it is one of several. Raises SubmissionError when it is damaged, cut
    short, or a bomb; LabError when this machine has no memory for it.
    """
    budget = Budget() if budget is None else budget
    try:
        if data.startswith(b"PK"):
            yield from _zip(data, shown, budget)
        elif data.startswith(b"\x1f\x8b"):
            yield from _tar(_gunzip(data, shown, budget), shown, budget)
        else:
            budget.take(len(data), shown, len(data), len(data))
            yield from _tar(data, shown, budget)
    except SubmissionError:
        raise
    except MemoryError:
        raise LabError(f"{shown} cannot be unpacked: this machine has too little memory left.") from None
    except Exception as error:  # a parser over hostile bytes: whatever it raises means that they are damaged
        raise _damaged(shown, type(error).__name__) from error


def _damaged(shown: str, why: str) -> SubmissionError:
    return SubmissionError(f"{shown} is damaged or was cut short ({why}); pack it and hand it in again.")


def _parts(name: str) -> tuple[str, ...]:
    # Some Windows programs pack with backslashes.
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _text(raw: bytes) -> str:
    """A member's name: UTF-8, or GBK as Chinese Windows writes it, or CP437 as the zip format has it."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


def _zip(data: bytes, shown: str, budget: Budget) -> Iterator[Member]:
    # Counted before zipfile makes an object of each.
    budget.name(shown, data.count(b"PK\x01\x02"))
    archive = zipfile.ZipFile(io.BytesIO(data))  # not closed: the members are read later, and it is memory
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    budget.take(total, shown, total, len(data))
    yield from zip_members(archive, shown)


def zip_members(archive: zipfile.ZipFile, shown: str, *, folders: bool = False) -> Iterator[Member]:
    """The files, links, devices, and folders if asked for, in an open zip; bounding is the caller's part."""
    for info in archive.infolist():
        name = info.orig_filename
        if not info.flag_bits & 0x800:
            try:
                name = _text(name.encode("cp437"))
            except UnicodeEncodeError:
                pass  # Python took it from the Unicode extra field
        mode = info.external_attr >> 16 if info.create_system == 3 else 0
        kind = "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else kind_of(mode)
        kind = FOLDER if name.endswith(("/", "\\")) else kind
        if folders or kind != FOLDER:
            yield Member(_parts(name), kind, info.file_size, _zip_reader(archive, info, shown))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo, shown: str) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        if info.flag_bits & 0x1:
            raise SubmissionError(f"{shown} is protected with a password; pack it without one.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SubmissionError(f"{shown} is compressed in an unusual way; pack it as an ordinary zip.")
        try:
            with archive.open(info) as member:
                return member.read(limit)
        except Exception as error:  # as in members()
            raise _damaged(shown, type(error).__name__) from error

    return read


def _gunzip(data: bytes, shown: str, budget: Budget) -> bytearray:
    # Grown in place and fed step by step: neither what is packed nor what is not is in memory twice.
    unpacked, at = bytearray(), 0
    while data.startswith(b"\x1f\x8b", at):
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            piece = stream.unconsumed_tail
            if not piece:
                piece = data[at : at + _STEP]
                at += len(piece)
            part = stream.decompress(piece, 1 << 20)
            if not part and not piece and not stream.eof:
                raise _damaged(shown, "gzip data ends too early")
            unpacked += part
            budget.take(len(part), shown, len(unpacked), len(data))
        at -= len(stream.unused_data)
    return unpacked


def kind_of(mode: int) -> str:
    """What a file of this st_mode is, in words."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return FOLDER
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


_TAR_KINDS = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "a hard link", b"2": "a symbolic link",
    b"3": "a device", b"4": "a device", b"5": FOLDER, b"6": "a named pipe", b"S": "a sparse file",
}  # fmt: skip


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # base 256, for what octal digits cannot hold
        value = int.from_bytes(field, "big", signed=True)
        return value if field[0] == 0xFF else value + (1 << (8 * len(field) - 1))
    digits = field.strip(b" \0")
    return int(digits, 8) if digits else 0


def _extended(body: bytes) -> dict[bytes, bytes]:
    """The records of a pax header: «LENGTH KEY=VALUE\\n», LENGTH counting the whole record."""
    records, at = {}, 0
    while at < len(body) and body[at] != 0:
        digits, _, _ = body[at : at + 20].partition(b" ")
        length = int(digits)
        record = body[at + len(digits) + 1 : at + length - 1]
        if length <= len(digits) + 1 or at + length > len(body):
            raise ValueError("a wrong length")
        key, _, value = record.partition(b"=")
        records[key] = value
        at += length
    return records


def _tar(data: bytes | bytearray, shown: str, budget: Budget) -> Iterator[Member]:
    at = 0
    extended: dict[bytes, bytes] = {}
    while at < len(data):
        header = bytes(data[at : at + _BLOCK])
        if not any(header):
            return  # the block of zeros that ends an archive
        if len(header) < _BLOCK:
            raise _damaged(shown, "half a tar header")
        if sum(header[:148]) + 8 * 32 + sum(header[156:]) != _number(header[148:156]):
            raise _damaged(shown, "no tar header where one must be")
        budget.name(shown)
        flag = header[156:157]
        size = int(extended[b"size"]) if b"size" in extended else _number(header[124:136])
        if flag in b"123456":
            size = 0
        start, at = at + _BLOCK, at + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if size < 0 or start + size > len(data):
            raise _damaged(shown, "a member is longer than the archive")
        if flag in b"xgLK":
            if size > _MAX_HEADER:
                raise _damaged(shown, "a tar header of more than 64 KiB")
            body = bytes(data[start : start + size])
            if flag == b"x":
                extended |= _extended(body)
            elif flag == b"L":
                extended[b"path"] = body.rstrip(b"\0")
            continue
        name = header[:100].split(b"\0")[0]
        if header[257:263] == b"ustar\0" and header[345] != 0:
            name = header[345:500].split(b"\0")[0] + b"/" + name
        name = extended.get(b"path", name)
        sparse = any(key.startswith(b"GNU.sparse") for key in extended)
        extended = {}
        kind = "a sparse file" if sparse else _TAR_KINDS.get(flag, "of an unknown kind")
        if kind != FOLDER and not name.endswith(b"/"):
            yield Member(_parts(_text(name)), kind, size, partial(_slice, data, start, size))


def _slice(data: bytes | bytearray, start: int, size: int, limit: int) -> bytes:
    return bytes(data[start : start + min(size, limit)])
