"""Reading the submission_metadata.yml of Gradescope's export: who handed in which folder, and when. Pure.

The file holds what students' programs printed, and so does as hostile YAML. Nothing of it is constructed: its
events are read one by one and three keys are kept, so that tags, aliases and merge keys mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from labgrader.errors import UsageError

METADATA = "submission_metadata.yml"
MAX_METADATA_BYTES = 128 << 20
MAX_PEOPLE = 50
_MAX_DEPTH = 100
_MAX_TEXT = 300
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ?(Z|UTC|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class Person:
    """One of those who handed something in together; what Gradescope does not know is ""."""

    name: str
    email: str
    sid: str


@dataclass(frozen=True)
class Handed:
    """One submission: who, when (aware, or None if that cannot be read), and the metadata's line of it."""

    people: tuple[Person, ...]
    created: datetime | None
    line: int


def read(data: bytes, shown: str) -> dict[str, Handed]:
    """The submissions by the names of their folders; `shown` is the file's printable name.

    Raises UsageError with the line when it is no such file, or more than MAX_METADATA_BYTES.
    """
    if len(data) > MAX_METADATA_BYTES:
        raise UsageError(
            f"{shown} has more than {MAX_METADATA_BYTES >> 20} MiB; export the submissions again."
        )
    line = 1
    handed: dict[str, Handed] = {}
    lines: dict[str, int] = {}
    values: dict[str, dict[tuple[str, ...], str]] = {}
    try:
        for path, value, line in _scalars(data.decode("utf-8", "replace").replace("\0", "�")):
            folder, rest = path[0], path[1:]
            lines.setdefault(folder, line)
            kept = values.setdefault(folder, {})
            if rest[:1] in ((":submitters",), (":created_at",)) and len(kept) < 3 * MAX_PEOPLE + 10:
                kept[rest] = value
    except (yaml.YAMLError, _NotMetadata) as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = error.line if isinstance(error, _NotMetadata) else mark.line + 1 if mark else line
        raise UsageError(f"{shown}, line {where}: not as Gradescope writes it; export it again.") from None
    for folder, kept in values.items():
        handed[folder] = Handed(_people(kept), _created(kept), lines[folder])
    return handed


class _NotMetadata(Exception):
    """Not a mapping, or nested as nobody nests."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def _scalars(text: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
    """Every scalar below the first mapping with the path of keys and numbers to it, and its 1-based line."""
    # Of each open collection: its kind, the key in hand or the number of items so far.
    stack: list[list[object]] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            if not stack and not isinstance(event, yaml.MappingStartEvent):
                raise _NotMetadata(_line(event))
            _step(stack, None)
            stack.append([isinstance(event, yaml.MappingStartEvent), None, 0])
            if len(stack) > _MAX_DEPTH:
                raise _NotMetadata(_line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            if not stack:
                return
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if not stack:
                raise _NotMetadata(_line(event))
            value = event.value[:_MAX_TEXT] if isinstance(event, yaml.ScalarEvent) else ""
            if _step(stack, value):
                path = tuple(str(level[1] if level[0] else level[2]) for level in stack)
                yield path, value, _line(event)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _step(stack: list[list[object]], value: str | None) -> bool:
    """Counts one node in the innermost collection; whether it is a value and not a key."""
    if not stack:
        return False
    level = stack[-1]
    count = level[2]
    assert isinstance(count, int)
    level[2] = count + 1
    if not level[0]:
        return True
    if count % 2 == 0:
        level[1] = value if value is not None else ""
        return False
    return True


def _people(kept: Mapping[tuple[str, ...], str]) -> tuple[Person, ...]:
    numbers = dict.fromkeys(path[1] for path in kept if path[0] == ":submitters" and len(path) == 3)
    people = []
    for number in list(numbers)[:MAX_PEOPLE]:
        name, email, sid = (
            kept.get((":submitters", number, key), "").strip() for key in (":name", ":email", ":sid")
        )
        if name or email or sid:
            people.append(Person(name, email, sid))
    return tuple(people)


def _created(kept: Mapping[tuple[str, ...], str]) -> datetime | None:
    # Older exports hold a Ruby object in place of the time; its `utc` is the time.
    text = kept.get((":created_at",)) or kept.get((":created_at", "utc")) or ""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')[:6]}")
        if zone in (None, "Z", "UTC"):  # without a zone, YAML's time is UTC
            return moment.replace(tzinfo=UTC)
        return moment.replace(tzinfo=datetime.strptime(zone.replace(":", ""), "%z").tzinfo)
    except ValueError:
        return None
