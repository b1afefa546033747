"""A lab's quarantine (quarantine.yaml): checks on which providers disagree, worth nothing."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labgrader.errors import LabError, SpecError
from labgrader.model import yaml_places
from labgrader.model.results import CheckResult, Outcome
from labgrader.model.spec import Lab

FILE = "quarantine.yaml"
HEADER = "# Checks on which providers disagree; `./lab prove --providers …` writes and empties this.\n"
Seen = Literal["pass", "fail", "blocked", "absent"]


class Entry(BaseModel):
    """Why a check is in quarantine; the keys of `outcomes` are the providers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Annotated[float, Field(gt=0)]
    since: datetime.date
    mutant: str | None = None  # None: the reference
    outcomes: Annotated[Mapping[str, Seen], Field(min_length=2)]


Quarantine = Mapping[str, Entry]


def place(lab: Lab) -> Path:
    """Where the lab's quarantine is, if it has one."""
    return lab.folder / FILE


def read(lab: Lab) -> Quarantine:
    """The lab's entries by check id; none without the file. SpecError with file and line for a broken one."""
    path = place(lab)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}.") from error
    try:
        data = yaml.safe_load(text)
        twice = yaml_places.repeated_key(text) if isinstance(data, dict) else None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{path}:{line}: not valid YAML: {getattr(error, 'problem', error)}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: a quarantine is a mapping from check ids to what was seen.")
    if twice:
        raise SpecError(
            f"{path}:{twice.line}: {twice.key} is there twice; the first is in line {twice.first_line}."
        )
    return {str(name): _entry(path, text, name, value) for name, value in data.items()}


def _entry(path: Path, text: str, name: object, value: object) -> Entry:
    try:
        return Entry.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        words = first["msg"]
        if first["type"] == "extra_forbidden":
            words = f"unknown key; an entry has {', '.join(Entry.model_fields)}"
        location = (name, *first["loc"])
        key = ".".join(map(str, location))
        raise SpecError(f"{path}:{yaml_places.line_of(text, location)}: {key}: {words}.") from error


def worth(entries: Quarantine) -> float:
    """The points that the quarantined checks would be worth."""
    return sum(entry.points for entry in entries.values())


def applied(
    lab: Lab, entries: Quarantine, checks: Sequence[CheckResult]
) -> tuple[tuple[CheckResult, ...], tuple[str, ...], float]:
    """The checks with the quarantined ones made worth nothing, a note for each, and the points that are left.

    What could not be judged because it builds on a quarantined check that did not pass counts for nothing
    either. Raises SpecError for an entry that does not fit the lab's checks.
    """
    if not checks:
        return (), (), round(lab.points - worth(entries), 6)
    must_fit(lab, entries, {check.id: check.points for check in checks})
    result, notes, possible = [], [], lab.points
    for check in checks:
        left_open = check.outcome in (Outcome.BLOCKED, Outcome.ERROR) and check.blocked_by in entries
        if check.id in entries:
            entry = entries[check.id]
            notes.append(
                f"«{check.title}» is in quarantine since {entry.since}: {' and '.join(entry.outcomes)} do "
                f"not agree on it. It is tried and told, but worth none of its {check.points:g} points."
            )
        elif left_open:
            notes.append(
                f"«{check.title}» could not be judged, for it builds on a check that is in quarantine; so "
                f"its {check.points:g} points do not count."
            )
        else:
            result.append(check)
            continue
        possible -= check.points
        result.append(replace(check, points=0.0, quarantined=True))
    return tuple(result), tuple(notes), round(possible, 6)


def must_fit(lab: Lab, entries: Quarantine, points: Mapping[str, float]) -> None:
    """Raise SpecError for an entry that is no check of the lab, or worth something else (`points`, by id)."""
    for name, entry in entries.items():
        if name not in points:
            known = ", ".join(points)
            raise SpecError(f"{_where(lab, name)}: {name} is no check of this lab (there are: {known}).")
        if entry.points != points[name]:
            raise SpecError(
                f"{_where(lab, name, 'points')}: points is {entry.points:g}, but {name} is worth "
                f"{points[name]:g}; make them agree."
            )


def _where(lab: Lab, *location: str) -> str:
    path = place(lab)
    try:
        return f"{path}:{yaml_places.line_of(path.read_text(encoding='utf-8'), location)}"
    except OSError:
        return str(path)


def merged(old: Quarantine, found: Quarantine, full: frozenset[str] | None) -> dict[str, Entry]:
    """The quarantine after a comparison that found `found`; pure.

    full: the providers that were compared over all of the lab; None if only a part was. An entry stays with
    its date while it is found again, and goes when a full comparison of its providers does not find it.
    """
    stay = {
        name: entry
        for name, entry in old.items()
        if name in found or full is None or not set(entry.outcomes) <= full
    }
    for name, entry in found.items():
        stay[name] = stay[name].model_copy(update={"points": entry.points}) if name in stay else entry
    return stay


def write(lab: Lab, entries: Quarantine) -> bool:
    """Make these the lab's quarantine, the file whole or not at all; whether it changed. Raises LabError."""
    if dict(read(lab)) == dict(entries):
        return False
    path = place(lab)
    temporary = path.with_name(f".{FILE}.new")
    data = {name: entry.model_dump() for name, entry in entries.items()}
    try:
        if not entries:
            path.unlink()
            return True
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise LabError(f"The quarantine cannot be written to {path}: {error.strerror}.") from error
    return True
