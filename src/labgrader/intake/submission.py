"""Takes in what a student handed in: the files that the lab asks for, as bytes in memory.

A submission is a file, a folder or an archive, and hostile: links are never followed, nothing is unpacked to
disk, and every size is bounded before it is read.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from labgrader.errors import SubmissionError, UsageError
from labgrader.intake import archives
from labgrader.intake.archives import SUFFIXES, Member, is_archive, kind_of
from labgrader.intake.contents import looks_like, refusal
from labgrader.intake.folders import folder_members, read_regular
from labgrader.intake.misnamed import near, not_read_here, nothing_wanted
from labgrader.printable import printable

MAX_BYTES = 1 << 20
MAX_MEMBERS = 2000
_IGNORED_FOLDERS = frozenset(
    {
        "__MACOSX", "__pycache__", ".git", ".svn", ".hg", ".idea", ".vscode", ".venv", "venv", "node_modules",
        ".pytest_cache", ".mypy_cache", ".ruff_cache",
    }
)  # fmt: skip
_IGNORED_FILES = (
    ".DS_Store", "._*", "Thumbs.db", "desktop.ini", "*.pyc", "*.pyo", "*~", "#*#", ".#*", "*.swp", "*.swo",
    "*.bak",
)  # fmt: skip


@dataclass(frozen=True)
class FileRule:
    """What the lab asks of one file: whether it must be there, and its own limit in bytes, if any."""

    required: bool = False
    max_bytes: int | None = None

    def limit(self, default: int = MAX_BYTES) -> int:
        return default if self.max_bytes is None else self.max_bytes


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    `student` is printable, at most 100 characters, and taken from the submission's name; `files` maps the
    names that the lab asks for to their bytes; `digest` ("sha256:…") is the same for the same files in any
    packing; `notes` are sentences for the student about how the submission was understood.
    """

    student: str
    files: Mapping[str, bytes]
    digest: str
    notes: tuple[str, ...] = ()


def collect(
    path: Path,
    wanted: Mapping[str, FileRule] | Sequence[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_members: int = MAX_MEMBERS,
) -> Submission:
    """Finds the files that the lab wants in the submission at `path` and reads them, links unfollowed.

    `path` itself must not be a link either, for whoever fills a folder of submissions could aim it anywhere.
    At least one of the wanted files must be there, and each whose rule says `required`.
    Raises SubmissionError when what the student handed in cannot be used, UsageError when `path` is missing
    or the grader may not read it.
    """
    rules = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(wanted, FileRule())
    path = Path(os.path.abspath(path))
    shown = printable(path.name or "/")
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        found = bounded(folder_members(path, ignored), rules, max_members, f"{shown}/")
        return _chosen(found, rules, max_bytes, f"{shown}/", student_id(path))
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file(shown, kind_of(status.st_mode))
    return _from_file(path, shown, status.st_size, rules, max_bytes, max_members)


def from_members(
    found: Iterable[Member], rules: Mapping[str, FileRule], shown: str, student: str
) -> Submission:
    """As `collect`, from files found elsewhere, as in a class's download; `shown` is printable."""
    return _chosen(bounded(found, rules, MAX_MEMBERS, shown), rules, MAX_BYTES, shown, student)


def student_id(path: Path) -> str:
    """The student's id: the submission's own name without its suffix, printable, 1 to 100 characters."""
    name = unicodedata.normalize("NFC", os.path.basename(os.path.abspath(path)))
    if not path.is_dir():
        lower = name.lower()
        suffix = next((s for s in SUFFIXES if lower.endswith(s)), os.path.splitext(name)[1])
        name = name[: len(name) - len(suffix)]
    cleaned = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name).strip()
    return cleaned[:100].strip() or "submission"


def ignored(path: Sequence[str]) -> bool:
    """Whether a name is one that computers leave behind and nobody hands in on purpose."""
    return any(part in _IGNORED_FOLDERS for part in path) or any(
        fnmatchcase(path[-1], p) for p in _IGNORED_FILES
    )


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        parent, name = path.parent, path.name
        with contextlib.suppress(OSError):
            near = difflib.get_close_matches(name, os.listdir(parent), n=2, cutoff=0.6)
            if near:
                meant = " or ".join(printable(str(Path(parent, other))) for other in near)
                raise UsageError(f"there is no {printable(str(path))}; did you mean {meant}?") from None
        if not parent.is_dir():
            raise UsageError(f"there is no folder {printable(str(parent))}; check the path.") from None
        raise UsageError(
            f"there is no {printable(str(path))}; name the student's file, folder or archive."
        ) from None
    except PermissionError:
        raise _forbidden(printable(str(path))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        raise UsageError(f"{printable(str(path))} cannot be opened: {printable(str(error))}.") from None


def _forbidden(shown: str) -> UsageError:
    return UsageError(
        f"{shown} may not be read by you (user id {os.geteuid()}); make it readable and try again."
    )


def _not_a_file(shown: str, kind: str) -> SubmissionError:
    return SubmissionError(f"{shown} is {kind}; hand in the file itself.")


def _size(count: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << power:
            return f"{count / (1 << power):.3g} {unit}"
    return f"{count} bytes"


def _too_large(shown: str, size: int, limit: int) -> SubmissionError:
    return SubmissionError(
        f"{shown} has {_size(size)}, and at most {_size(limit)} are taken; hand in a smaller file."
    )


def bounded(
    found: Iterable[Member], rules: Mapping[str, FileRule], max_members: int, shown: str
) -> tuple[Member, ...]:
    """Leaves out what is ignored and what points outside; refuses more than `max_members`."""
    kept: list[Member] = []
    for member in found:
        if not member.path or ".." in member.path:
            continue
        if member.path[-1] not in rules and ignored(member.path):
            continue
        if any(part in _IGNORED_FOLDERS for part in member.path[:-1]):
            continue
        kept.append(member)
        if len(kept) > max_members:
            raise SubmissionError(
                f"{shown} holds more than {max_members} files; hand in only what the lab asks for."
            )
    return tuple(kept)


def _from_file(
    path: Path, shown: str, size: int, rules: Mapping[str, FileRule], max_bytes: int, max_members: int
) -> Submission:
    name = path.name
    lower = name.lower()
    member = Member((name,), "file", size, lambda limit: read_regular(os.fspath(path), limit))
    meant = _meant(name, rules)
    if meant is None and archives.is_other_archive(name):
        raise SubmissionError(not_read_here(shown))
    if meant is None and (lower.endswith(SUFFIXES) or is_archive(read_member(member, shown, 512))):
        if size > archives.MAX_ARCHIVE_BYTES:
            raise _too_large(shown, size, archives.MAX_ARCHIVE_BYTES)
        data = read_member(member, shown, archives.MAX_ARCHIVE_BYTES)
        if not is_archive(data[:512]):
            raise SubmissionError(f"{shown} is not a zip or tar archive: {_instead(data)}; pack it again.")
        found = bounded(archives.members(data, shown), rules, max_members, shown)
        if any(member.name == "[Content_Types].xml" for member in found):
            raise SubmissionError(
                f"{shown} is an Office document; hand in the files themselves as plain text."
            )
        return _chosen(found, rules, max_bytes, shown, student_id(path))
    if meant is None:
        raise nothing_wanted((member,), list(rules), None)
    notes = () if name == meant else (f"{shown} was taken as {meant}.",)
    return _submission(student_id(path), {meant: _contents(member, shown, rules[meant], max_bytes)}, notes)


def read_member(member: Member, shown: str, limit: int) -> bytes:
    """At most so many bytes of it; UsageError for what the grader fails to read, whatever the file is."""
    try:
        return member.read(limit)
    except PermissionError:
        raise _forbidden(shown) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_a_file(shown, "a symbolic link") from None
        raise UsageError(f"{shown} cannot be read: {error.strerror}.") from None


def _instead(data: bytes) -> str:
    return "it is empty" if not data else f"it looks like {looks_like(data) or 'plain text'}"


def _meant(name: str, rules: Mapping[str, FileRule]) -> str | None:
    """The wanted name that a single file's name is, or ends with (`12345_tcp_server.py`), or None."""
    if name in rules:
        return name
    ends = [w for w in rules if name.endswith(w) and not name[: -len(w)][-1:].isalnum()]
    return max(ends, key=len) if ends else None


def _chosen(
    found: Sequence[Member], rules: Mapping[str, FileRule], max_bytes: int, shown: str, student: str
) -> Submission:
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for name, rule in rules.items():
        same = [member for member in found if member.path[-1] == name]
        if same:
            files[name] = _one_of(same, shown, rule, max_bytes)
            if not files[name]:
                notes.append(f"{name} is empty.")
    if not files:
        raise nothing_wanted(found, list(rules), shown)
    for name, rule in rules.items():
        if name in files:
            continue
        others = [member for member in found if member.path[-1] not in rules]
        if rule.required:
            raise nothing_wanted(others, [name], shown)
        slip = near(name, others)
        if slip is not None:
            notes.append(f"There is no {name}; {printable(slip.name)} was not taken for it.")
    return _submission(student, files, notes)


def _submission(student: str, files: Mapping[str, bytes], notes: Iterable[str]) -> Submission:
    pairs = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())
    digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    return Submission(student, files, f"sha256:{digest}", tuple(notes))


def _one_of(same: Sequence[Member], shown: str, rule: FileRule, max_bytes: int) -> bytes:
    """The bytes of the shallowest; several at that depth are one only if they hold the same."""
    depth = min(len(member.path) for member in same)
    first, *rest = [member for member in same if len(member.path) == depth]
    data = _contents(first, printable(first.name), rule, max_bytes)
    for other in rest[:8]:
        if _contents(other, printable(other.name), rule, max_bytes) != data:
            if other.path == first.path:
                raise SubmissionError(
                    f"{shown} holds {printable(first.name)} twice, and they differ; keep one."
                )
            both = f"{printable(first.name)} and {printable(other.name)}"
            raise SubmissionError(f"{shown} holds {both}, and they differ; hand in only the one that counts.")
    if len(rest) > 8:
        raise SubmissionError(f"{shown} holds {len(same)} files named {first.path[-1]}; hand in only one.")
    return data


def _contents(member: Member, shown: str, rule: FileRule, max_bytes: int) -> bytes:
    limit = rule.limit(max_bytes)
    if member.kind != "file":
        raise _not_a_file(shown, member.kind)
    if member.size > limit:
        raise _too_large(shown, member.size, limit)
    data = read_member(member, shown, limit + 1)
    if len(data) > limit:
        raise _too_large(shown, len(data), limit)
    refused = refusal(data)
    if refused is not None:
        raise SubmissionError(f"{shown} {refused}")
    return data
