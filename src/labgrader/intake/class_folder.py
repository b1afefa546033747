"""Whose each name in the class's folder or zip is, as Moodle, Canvas, Gradescope and people name things."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from labgrader.intake import deadlines, gradescope, ids, repositories
from labgrader.intake.archives import FOLDER, SUFFIXES
from labgrader.intake.download_names import CANVAS, GRADESCOPE, MOODLE, Named, is_gradescope, named, of_file
from labgrader.intake.entry import Entry, Part, Stray
from labgrader.intake.misnamed import listing
from labgrader.intake.scan import Item, Scan
from labgrader.printable import printable

_TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".ods")  # rosters and gradebooks, which nobody hands in
_UNKNOWN = "When this was handed in is not known: {} does not keep the time."
_SYSTEM = {MOODLE: "Moodle's download", CANVAS: "Canvas's download"}


@dataclass(frozen=True)
class Found:
    """An entry whose `student` is not an id yet but what the id is made from; the items that it is made of.

    `twin` tells it from another with the same id: it keeps what an id cannot. It is the same at each reading,
    whatever else is in the class, and whatever files the student adds.
    """

    entry: Entry
    items: tuple[Item, ...]
    twin: str


def find(scan: Scan, deadline: datetime | None, files: Collection[str]) -> tuple[list[Found], list[Stray]]:
    """The entries among the scanned items, each item in one of them or among the strays."""
    found: list[Found] = []
    strays: list[Stray] = []
    items = list(scan.items)
    if scan.metadata is not None:
        found, items = _gradescope(scan, scan.metadata, items, deadline)
    downloads: dict[tuple[str, str], list[tuple[Item, Named]]] = {}
    plain: dict[str, list[tuple[Item, str | None]]] = {}
    for item in items:
        says = named(item.name)
        if says is not None:
            downloads.setdefault((says.system, says.id), []).append((item, says))
            continue
        why = _nobodys(item, files)
        if why is not None:
            strays.append(Stray(printable(item.name), why))
            continue
        student = of_file(item.name, files) if item.kind == "file" else None
        plain.setdefault(student or _stem(item), []).append((item, student))
    found += [_downloaded(scan, system, id_, group, deadline) for (system, id_), group in downloads.items()]
    found += [_plain(scan, stem, group, deadline) for stem, group in plain.items()]
    return found, strays


def plain_item(scan: Scan, item: Item, deadline: datetime | None) -> Found:
    """An entry of one item that is known to be somebody's."""
    return _plain(scan, _stem(item), [(item, None)], deadline)


def _nobodys(item: Item, files: Collection[str]) -> str | None:
    if item.kind != "file":
        return None
    if item.name in files:
        return "it names no student; put it into a folder that does"
    if item.name.lower().endswith(_TABLES):
        return "a table; name it with --roster if it is the class's roster"
    return None


def _stem(item: Item) -> str:
    """As intake.submission.student_id, without making the name readable: what differs stays different."""
    if item.kind == FOLDER:
        return item.name.removesuffix(".git") or item.name if item.repository else item.name
    lower = item.name.lower()
    suffix = next((s for s in SUFFIXES if lower.endswith(s)), os.path.splitext(item.name)[1])
    return item.name[: len(item.name) - len(suffix)] or item.name


def _entry(scan: Scan, text: str, items: Sequence[Item], *, shown: Iterable[str] = ()) -> Entry:
    """An entry of these items, with the problem that one of them has."""
    sources = [printable(item.name) for item in items]
    problem = next((item.problem for item in items if item.problem), None)
    path = scan.root.joinpath(*items[0].path) if scan.root.is_dir() else scan.root
    return Entry(
        text,
        listing(list(shown) or (sources if len(sources) < 6 else [*sources[:5], f"{len(sources) - 5} more"])),
        path=path,
        problem=problem,
        parts=tuple(Part(scan.root, item.path) for item in items),
    )


def _readable(name: str) -> str | None:
    return printable(" ".join(unicodedata.normalize("NFC", name).split()), 100) or None


def _downloaded(
    scan: Scan, system: str, id_: str, group: Sequence[tuple[Item, Named]], deadline: datetime | None
) -> Found:
    """What Moodle or Canvas gives for one participant."""
    files = [(item, says) for item, says in group if not says.typed]
    name = max((says.name for _, says in group), default="")
    # The number makes it unique, so that what an id cannot hold of the name may be left out.
    alike = ids.likeness(name)[:60].strip("._-")
    text = id_ if not alike or name == id_ else f"{alike}_{id_}"
    entry = _entry(scan, text, [item for item, _ in files] or [item for item, _ in group])
    notes: list[str] = []
    problem = entry.problem
    if not files:
        problem = f"{entry.source}: text or a link was typed into the form, and no file was handed in."
    elif len(files) < len(group):
        notes.append("What was typed into the form is not graded, only the files that were handed in.")
    if len({says.name for _, says in group}) > 1:
        names = listing(sorted({printable(says.name, 60) for _, says in group}))
        problem = (
            problem or f"the number {printable(id_)} belongs to several names: {names}; keep one of them."
        )
    late = any(says.late for _, says in files or group)
    if late:
        notes.append("Canvas marked it as late, by the due date that is set there.")
    elif deadline is not None:
        notes.append(_UNKNOWN.format(_SYSTEM[system]))
    parts = tuple(
        Part(scan.root, item.path, says.file if item.kind == "file" else "", says.order, system == CANVAS)
        for item, says in files
    )
    keys = {} if id_ == name else {system: id_}
    entry = replace(
        entry, name=_readable(name), problem=problem, notes=tuple(notes), late=late, keys=keys, parts=parts
    )
    return Found(entry, tuple(item for item, _ in group), f"{system}/{id_}")


def _plain(
    scan: Scan, stem: str, group: Sequence[tuple[Item, str | None]], deadline: datetime | None
) -> Found:
    """What people called by the student's name: one thing, or several files that all begin with the name."""
    items = [item for item, _ in group]
    entry = _entry(scan, unicodedata.normalize("NFC", stem), items)
    composed = _readable(stem)
    entry = replace(entry, name=composed if composed != stem or not stem.isascii() else None)
    twin = stem
    if entry.problem is None and len(items) > 1 and not all(student for _, student in group):
        entry = replace(entry, problem=f"handed in more than once: {entry.source}; keep the one that counts.")
    elif any(student for _, student in group):
        parts = tuple(
            Part(scan.root, item.path, item.name[len(stem) :].lstrip("_- ") if student else "")
            for item, student in group
        )
        entry = replace(entry, parts=parts)
    if entry.problem is not None:
        return Found(entry, tuple(items), twin)
    if items[0].repository:
        return Found(_repository(entry, deadline), tuple(items), twin)
    times = [item.modified for item in items if item.modified is not None]
    if deadline is None:
        submitted = deadlines.moment(max(times)) if times else None
        return Found(replace(entry, submitted=submitted), tuple(items), twin)
    if not times:
        return Found(replace(entry, notes=(_UNKNOWN.format("a zip of the class"),)), tuple(items), twin)
    entry = replace(entry, submitted=deadlines.moment(max(times)))
    if deadlines.is_late(entry.submitted, deadline) and entry.submitted is not None:
        when = deadlines.shown(entry.submitted)
        note = f"Late by the time of its newest file on the class's disk, {when}, which copying can change."
        entry = replace(entry, late=True, notes=(note,))
    return Found(entry, tuple(items), twin)


def _repository(entry: Entry, deadline: datetime | None) -> Entry:
    assert entry.path is not None
    chosen = repositories.choose(entry.path, deadline)
    return replace(
        entry,
        kind="repository",
        submitted=chosen.when,
        late=chosen.late,
        problem=chosen.problem,
        notes=chosen.notes,
        commit=chosen.commit,
        parts=(),
    )


def _gradescope(
    scan: Scan, data: bytes, items: Sequence[Item], deadline: datetime | None
) -> tuple[list[Found], list[Item]]:
    """An entry for each of those who handed in each folder; the items that the metadata does not name."""
    handed = gradescope.read(data, gradescope.METADATA)
    by_name = {item.name: item for item in items}
    found: list[Found] = []
    latest: dict[str, int] = {}
    for folder, what in handed.items():
        if not is_gradescope(folder):
            continue
        item = by_name.pop(folder, None)
        for person in what.people or (gradescope.Person("", "", ""),):
            one = _submitter(scan, folder, what, person, item, deadline)
            text = one.entry.student
            if text in latest:
                previous = found[latest[text]]
                sources = listing(sorted((previous.entry.source, one.entry.source)))
                problem = f"handed in more than once: {sources}; keep the one that counts."
                merged = replace(previous.entry, source=sources, problem=problem)
                found[latest[text]] = replace(previous, entry=merged, items=previous.items + one.items)
            else:
                latest[text] = len(found)
                found.append(one)
    return found, list(by_name.values())


def _submitter(
    scan: Scan,
    folder: str,
    what: gradescope.Handed,
    person: gradescope.Person,
    item: Item | None,
    deadline: datetime | None,
) -> Found:
    text = person.sid or person.email or person.name or folder
    if item is None:
        line = f"{gradescope.METADATA}, line {what.line}"
        entry = Entry(text, folder, problem=f"{line}: the export has no folder {folder}; export it again.")
    else:
        entry = _entry(scan, text, [item])
    notes: list[str] = []
    if len(what.people) > 1:
        names = listing([_readable(one.name or one.email or one.sid) or "?" for one in what.people])
        notes.append(f"Handed in together by {names}.")
    if not what.people:
        notes.append("Gradescope's list names nobody for it.")
    if deadline is not None and what.created is None:
        notes.append("When this was handed in is not known: Gradescope's list does not say it.")
    late = deadlines.is_late(what.created, deadline)
    if late and what.created is not None:
        notes.append(f"Handed in at {deadlines.shown(what.created)}, by Gradescope's clock.")
    keys: Mapping[str, str] = {GRADESCOPE: folder} | ({"sid": printable(person.sid)} if person.sid else {})
    entry = replace(
        entry,
        name=_readable(person.name),
        email=printable(person.email) or None,
        submitted=what.created,
        late=late,
        notes=tuple(notes),
        keys=keys,
    )
    return Found(entry, (item,) if item is not None else (), f"{GRADESCOPE}/{text}")
