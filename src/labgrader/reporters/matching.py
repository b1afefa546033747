"""Whose line in another program's table is whose: by ids first, by names last, and never by a guess. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labgrader.model.class_results import Row
from labgrader.reporters.student_text import plain

_EASTERN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# Ids that a system gives itself: who has another one is another person. People have several addresses.
IDENTIFYING = {"canvas", "sis_user", "sis_login", "moodle"}
# By kind of key ("moodle", "email", "name" …), the strongest first, the values that mean one person.
Keys = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Matched:
    """By the row's index the line that is the student's; and what could not be decided, as sentences."""

    lines: Mapping[int, int]
    told: tuple[str, ...]


def match(rows: Sequence[Row], wanted: Sequence[Keys], lines: Mapping[int, Keys], table: str) -> Matched:
    """Finds each row's line: `wanted` are the rows' keys, `lines` those of each line by its number.

    A line with another id of the same system does not fit; of several that fit, none is taken. `table` names
    the file for what is told.
    """
    index: dict[tuple[str, str], set[int]] = defaultdict(set)
    for line, keys in lines.items():
        for kind, values in keys.items():
            for value in values:
                index[kind, value].add(line)
    told: list[str] = []
    claims: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, keys in enumerate(wanted):
        strength, fitting = _fitting(keys, lines, index)
        who = _who(rows[number])
        if len(fitting) == 1:
            claims[fitting.pop()].append((strength, number))
        elif fitting:
            told.append(f"{who}: {len(fitting)} lines of {table} fit; give the student's id in the roster.")
        else:
            told.append(f"{who}: no line of {table} is this student's; the score is not in it.")
    found = {}
    for line, claimed in claims.items():
        best = min(strength for strength, _ in claimed)
        winners = [number for strength, number in claimed if strength == best]
        if len(winners) == 1:
            found[winners[0]] = line
        losers = [number for _, number in claimed if number not in winners or len(winners) > 1]
        for number in losers:
            others = " and ".join(_who(rows[other]) for _, other in claimed if other != number)
            told.append(f"{_who(rows[number])}: the only line of {table} that fits is that of {others}, too.")
    return Matched(found, tuple(told))


def keys(pairs: Iterable[tuple[str, Iterable[str | None]]]) -> Keys:
    """Keys from the values of each kind; empty ones are no keys."""
    found = {kind: frozenset(_same(value) for value in values if value) - {""} for kind, values in pairs}
    return {kind: values for kind, values in found.items() if values}


def names(text: str | None) -> list[str]:
    """The forms in which a person's name is compared: as it stands, and with its parts in either order."""
    if not text or not text.strip():
        return []
    last, comma, first = text.partition(",")
    forms = [f"{first} {last}", f"{last} {first}"] if comma else [text]
    # Chinese, Japanese and Korean names are written with and without a blank.
    return [re.sub(r"\s", "", form) if _EASTERN.search(form) else form for form in forms]


def _fitting(
    wanted: Keys, lines: Mapping[int, Keys], index: Mapping[tuple[str, str], set[int]]
) -> tuple[int, set[int]]:
    stronger: list[str] = []
    for strength, (kind, values) in enumerate(wanted.items()):
        hits = {line for value in values for line in index.get((kind, value), ())}
        hits = {line for line in hits if not _contradicts(wanted, lines[line], stronger)}
        if hits:
            return strength, hits
        stronger += [kind] if kind in IDENTIFYING else []
    return len(wanted), set()


def _contradicts(wanted: Keys, line: Keys, kinds: Sequence[str]) -> bool:
    return any(kind in line and not wanted[kind] & line[kind] for kind in kinds)


def _same(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def _who(row: Row) -> str:
    return plain(f"{row.student} ({row.name})" if row.name and row.name != row.student else row.student)
