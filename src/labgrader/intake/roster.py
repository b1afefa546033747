"""The class's roster, `id,name,email,path` as CSV: who is to be graded, and what of the folder is whose."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from labgrader.errors import UsageError
from labgrader.intake.archives import FOLDER
from labgrader.intake.class_folder import Found, plain_item
from labgrader.intake.entry import Entry, Part, Stray
from labgrader.intake.scan import Item, Scan, below, item_at
from labgrader.printable import printable

MAX_BYTES = 16 << 20
MAX_PEOPLE = 20_000
_COLUMNS = ("id", "name", "email", "path")
_NOBODYS = "it belongs to nobody on the roster"
_TAKES = "a roster is CSV with the columns id,name,email,path, of which only id must be there"


@dataclass(frozen=True)
class Person:
    """One row: an id, and what else is known; `path` is below the class's folder, "" if not told."""

    id: str
    name: str
    email: str
    path: str
    line: int


def read(path: Path) -> list[Person]:
    """The people on the roster, in its order.

    Takes UTF-8 (with or without a byte order mark), UTF-16 and GB 18030; commas, semicolons or tabs; the
    columns in any order and others beside them. Raises UsageError with the line.
    """
    shown = printable(path.name)
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name holds a NUL"
        raise UsageError(f"the roster {printable(str(path))} cannot be read: {why}; {_TAKES}.") from None
    if data is None:
        raise UsageError(f"the roster {shown} has more than {MAX_BYTES >> 20} MiB; {_TAKES}.")
    text = _decoded(data, shown)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    people: list[Person] = []
    columns: dict[str, int] | None = None
    lines: dict[str, int] = {}
    width, line = 0, 1
    try:
        for row in rows:
            line, after = rows.line_num - sum(cell.count("\n") for cell in row), rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns, width = _header(row, shown, line), len(row)
                continue
            person = _person(row, columns, width, shown, line)
            if person.id in lines:
                raise UsageError(
                    f"{shown}, line {line}: {printable(person.id)} is there already, "
                    f"in line {lines[person.id]}; give each student one row."
                )
            lines[person.id] = line
            people.append(person)
            if len(people) > MAX_PEOPLE:
                raise UsageError(
                    f"{shown}, line {after}: more than {MAX_PEOPLE} students; grade them in parts."
                )
    except csv.Error as error:
        raise UsageError(
            f"{shown}, line {max(line, rows.line_num)}: {printable(str(error))}; {_TAKES}."
        ) from None
    if columns is None or not people:
        raise UsageError(f"{shown}, line 1: nobody is on the roster; {_TAKES}.")
    return people


def _decoded(data: bytes, shown: str) -> str:
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UsageError(f"{shown}, line 1: not text in UTF-8, UTF-16 or GB 18030; save it as CSV UTF-8.")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UsageError(f"{shown}, line {line}: it holds a NUL character; {_TAKES}.")
    # Old Macs and some spreadsheets end lines with CR alone.
    return text if "\n" in text else text.replace("\r", "\n")


def _header(row: Sequence[str], shown: str, line: int) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in row]
    for column in _COLUMNS:
        if names.count(column) > 1:
            raise UsageError(f"{shown}, line {line}: the column {column} is there twice; {_TAKES}.")
    if "id" not in names:
        raise UsageError(f"{shown}, line {line}: there is no column id; {_TAKES}.")
    return {column: names.index(column) for column in _COLUMNS if column in names}


def _person(row: Sequence[str], columns: Mapping[str, int], width: int, shown: str, line: int) -> Person:
    if len(row) > width and any(cell.strip() for cell in row[width:]):
        raise UsageError(
            f"{shown}, line {line}: {len(row)} cells under {width} columns; "
            "put a cell that holds a comma in quotes."
        )
    cells = {column: row[at].strip() if at < len(row) else "" for column, at in columns.items()}
    if not cells["id"]:
        raise UsageError(f"{shown}, line {line}: the id is empty; give each student one.")
    return Person(cells["id"], cells.get("name", ""), cells.get("email", ""), cells.get("path", ""), line)


def match(
    people: Sequence[Person], scan: Scan, found: Sequence[Found], deadline: datetime | None
) -> tuple[list[Found], list[Stray]]:
    """An entry for each person on the roster; what belongs to nobody on it is told."""
    index, paths = _index(found), _by_path(found)
    given: list[tuple[Person, Found | None, str]] = []
    for person in people:
        one, problem = (
            _given(person, scan, paths, deadline) if person.path else _guessed(person, found, index)
        )
        given.append((person, one, problem))
    takers: dict[tuple[_Key, tuple[Part, ...]], list[Person]] = {}
    for person, one, _ in given:
        if one is not None:
            takers.setdefault((_key(one), one.entry.parts), []).append(person)
    entries = []
    for person, one, problem in given:
        others: Sequence[Person] = ()
        if one is None:
            one = Found(Entry("", printable(person.path or person.id), problem=problem), (), "")
        else:
            others = takers[_key(one), one.entry.parts]
        entries.append(replace(one, entry=_of(person, one.entry, others), twin=person.id))
    return entries, _left_over(scan, found, entries, {key for key, _ in takers})


_Path = tuple[str, ...]
_Key = tuple[str, tuple[_Path, ...]]


def _key(one: Found) -> _Key:
    return one.twin, tuple(item.path for item in one.items)


def _left_over(scan: Scan, found: Sequence[Found], entries: Sequence[Found], taken: set[_Key]) -> list[Stray]:
    """What the roster gives to nobody, each thing once."""
    used = {item.path for one in entries for item in one.items}
    strays: dict[str, Stray] = {}
    for one in found:
        if _key(one) in taken:
            continue
        if all(item.path in used for item in one.items):  # one of a group, or a folder that the export lacks
            whose = one.entry.name or one.entry.email or one.entry.student
            left = [Stray(f"{one.entry.source} ({printable(whose)})", _NOBODYS)]
        else:
            left = [stray for item in one.items for stray in _left(scan, item, used)]
        strays |= {stray.source: stray for stray in left}
    return list(strays.values())


def _of(person: Person, entry: Entry, takers: Sequence[Person]) -> Entry:
    """The entry as this person's; `takers` are all whom the roster gives it to."""
    others = ", ".join(printable(other.id, 60) for other in takers[:6] if other is not person)
    problem, notes = entry.problem, entry.notes
    if others and person.path:
        notes = (*notes, f"The roster gives the same files to {others}.")
    elif others:
        problem = (
            f"{entry.source} fits {printable(person.id)} as well as {others}; give the roster a column path."
        )
    return replace(
        entry,
        student=person.id,
        name=printable(person.name, 100) or entry.name,
        email=printable(person.email, 200) or entry.email,
        problem=problem,
        notes=notes,
    )


def _given(
    person: Person, scan: Scan, index: Mapping[_Path, Found], deadline: datetime | None
) -> tuple[Found | None, str]:
    """What the roster's path names: an entry that was found, or something deeper in the folder."""
    shown = printable(person.path)
    path = tuple(part for part in person.path.replace("\\", "/").split("/") if part not in ("", "."))
    if person.path.startswith(("/", "\\")) or ".." in path or not path:
        return None, f"the roster's path {shown} does not lie in the class's folder."
    named = index.get(_composed(path)) or _in_repository(index, path, shown)
    if named is not None:
        return named, ""
    item = item_at(scan.root, path)
    if item is None:
        return (
            None,
            f"there is no {shown} in the class's folder: nothing was handed in, or the path is wrong.",
        )
    return plain_item(scan, item, deadline), ""


def _in_repository(index: Mapping[_Path, Found], path: _Path, shown: str) -> Found | None:
    """The folder of a repository's commit that the path names, if it begins with a repository."""
    for length in range(1, len(path)):
        one = index.get(_composed(path[:length]))
        if one is not None and one.entry.path is not None and any(item.repository for item in one.items):
            parts = (Part(one.entry.path, path[length:]),)
            return replace(one, entry=replace(one.entry, source=shown, parts=parts))
    return None


def _by_path(found: Sequence[Found]) -> dict[_Path, Found]:
    """The entries by the paths of their items; the folder that a download is wrapped in is optional."""
    index: dict[_Path, Found] = {}
    for one in found:
        for item in one.items:
            path = _composed(item.path)
            index.setdefault(path, one)
            if path[1:]:
                index.setdefault(path[1:], one)
    return index


def _composed(path: _Path) -> _Path:
    return tuple(unicodedata.normalize("NFC", part) for part in path)


def _words(name: str) -> str:
    """A name with its words in an order of their own, so that «Ada Lovelace» is «Lovelace, Ada»."""
    return " ".join(sorted(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold())))


def _index(found: Sequence[Found]) -> dict[str, set[int]]:
    """The entries by all that may name them; each kind of name has a prefix of its own."""
    index: dict[str, set[int]] = {}
    for number, one in enumerate(found):
        entry = one.entry
        names = [f"id {entry.student.casefold()}"]
        names += [f"id {value.casefold()}" for system, value in entry.keys.items() if system != "gradescope"]
        if entry.email:
            names += [f"email {entry.email.casefold()}", f"id {entry.email.casefold()}"]
        # A plain folder's name may be a person's; only where it is shown in other letters it is told as that.
        names += [f"name {_words(entry.name or entry.student)}"]
        if entry.name:
            names += [f"run {_words(entry.name).replace(' ', '')}"]
        for name in names:
            index.setdefault(name, set()).add(number)
    return index


def _guessed(
    person: Person, found: Sequence[Found], index: Mapping[str, set[int]]
) -> tuple[Found | None, str]:
    """The one entry that the id, else the e-mail address, else the name fits."""
    given = unicodedata.normalize("NFC", person.name).casefold()
    words = re.findall(r"\w+", given)
    ways = [f"id {unicodedata.normalize('NFC', person.id).casefold()}"]
    if person.email:
        address = person.email.casefold()
        ways += [f"email {address}", f"id {address}", f"id {address.partition('@')[0]}"]
    if words:
        ways += [f"name {_words(person.name)}", f"id {given}"]
        # Canvas runs the family name and the given names together, the family name first.
        turns = ["".join(words[turn:] + words[:turn]) for turn in range(len(words))]
        ways += [f"run {turn}" for turn in turns]
    for way in ways:
        numbers = index.get(way, set())
        if len(numbers) == 1:
            return found[next(iter(numbers))], ""
        if numbers:
            sources = ", ".join(sorted(found[number].entry.source for number in numbers)[:5])
            who = printable(person.id)
            return None, f"several entries fit {who}: {sources}; give the roster a column path."
    return None, f"nothing was handed in for {printable(person.id)}."


def _left(scan: Scan, item: Item, used: Set[tuple[str, ...]]) -> list[Stray]:
    """What of an item is nobody's: all of it, or what is beside the paths that somebody has in it."""
    if item.path in used:
        return []
    if item.kind != FOLDER or not any(path[: len(item.path)] == item.path for path in used):
        return [Stray(printable("/".join(item.path)), _NOBODYS)]
    return [stray for other in below(scan.root, item) for stray in _left(scan, other, used)]
