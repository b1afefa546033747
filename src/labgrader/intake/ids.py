"""Ids of students that are safe as file names everywhere, and different for different students. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

MAX_ID = 100
# No leading dot (hidden), no leading dash (an option), no trailing dot (Windows cuts it off).
_SAFE = re.compile(r"[A-Za-z0-9_@](?:[A-Za-z0-9._@-]{0,98}[A-Za-z0-9_@-])?")
_OTHER = re.compile(r"[^A-Za-z0-9._@-]+")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def safe_id(text: str) -> str:
    """An id for the student whom `text` names: `text` itself where it is safe, else a likeness and a digest.

    Matches [A-Za-z0-9._@-]{1,100}. The same text in whatever Unicode normalisation has the same id; texts
    that differ otherwise have different ones.

    >>> safe_id("alice"), safe_id("José Díaz")
    ('alice', 'Jose_Diaz-b00a41a5')
    """
    if _SAFE.fullmatch(text) and not _DEVICES.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", text)
    return _marked(likeness(text), composed)


def likeness(text: str) -> str:
    """What of `text` can be said in the letters that an id may have; maybe nothing."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _OTHER.sub("_", bare)


def distinct(ids: Sequence[str], sources: Sequence[str], given: Mapping[str, str] | None = None) -> list[str]:
    """The ids, with those marked that a file system could take for the same name as another.

    `sources` are what the ids were made from, by which twins are told apart; the order does not matter.
    `given` are ids by their sources that were given before: who has one keeps it, whoever comes later.

    >>> distinct(["Alice", "alice"], ["Alice", "alice"], {"alice": "alice"})
    ['Alice-3bc51062973c', 'alice']
    """
    given = given or {}
    found: dict[int, str] = {}
    for place, source in enumerate(sources):
        if source in given and given[source] not in found.values():
            found[place] = given[source]
    kept = {id_.casefold() for id_ in found.values()}
    # Of one who is not in the class now: the very id is the same student's, another way to write it is not.
    absent = {id_.casefold(): id_ for id_ in given.values() if id_.casefold() not in kept}
    folded = Counter(id_.casefold() for place, id_ in enumerate(ids) if place not in found)
    taken = {*kept}
    for place, (id_, source) in enumerate(zip(ids, sources, strict=True)):
        if place in found:
            continue
        low = id_.casefold()
        alone = folded[low] == 1 and low not in kept and absent.get(low, id_) == id_
        wish = wanted = id_ if alone else _marked(id_, source, 12)
        number = 2
        while wish.casefold() in taken:
            wish = f"{wanted[: MAX_ID - 8]}-{number}"
            number += 1
        taken.add(wish.casefold())
        found[place] = wish
    return [found[place] for place in range(len(ids))]


def _marked(text: str, source: str, digits: int = 8) -> str:
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    start = text.strip("._-")[: MAX_ID - digits - 1].rstrip("._-")
    return f"{start}-{digest}" if start else f"student-{digest}"
