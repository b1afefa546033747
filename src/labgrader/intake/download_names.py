"""What the names in a bulk download say: whose a file is, and what the student called it. Pure.

The forms are those that the three systems' own exporters write; docs/grading-a-class.md tells them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOODLE, CANVAS, GRADESCOPE = "moodle", "canvas", "gradescope"

# A name, the participant's or group's number, the kind of hand-in; a default group has no number.
_MOODLE = re.compile(
    r"(?P<name>[^_]{0,250})(?:_(?P<id>\d{1,20}))?_assignsubmission_(?P<type>[a-z]{1,36})(?:_(?P<file>.*))?",
    re.DOTALL,
)
# Lower-case, because "LATE" is told from a name by its case alone.
_CANVAS = re.compile(
    r"(?:(?P<name>[^\W_A-Z](?:[^\WA-Z]{0,249}?)?)_)??(?P<late>LATE_)?"
    r"(?P<id>[1-9]\d{0,19}|anon_[A-Za-z0-9]{1,20})_(?:(?P<file_id>[1-9]\d{0,19})_(?P<file>.+)|(?P<typed>text|link)\.html)",
    re.DOTALL,
)
_GRADESCOPE = re.compile(r"submission_(?P<id>\d{1,20})")
_AGAIN = re.compile(r"(?P<stem>.*?)-(?P<number>[1-9]\d{0,3})(?P<suffix>(?:\.[^.]*)?)", re.DOTALL)


@dataclass(frozen=True)
class Named:
    """What one name in a download says.

    `system` is MOODLE or CANVAS, `id` the student's number there (for Moodle the participant's), `file` the
    student's own name of the file, "" for a folder that holds them; `order` grows with the time of upload;
    `typed` tells of text or a link that was typed into a form in place of a file.
    """

    system: str
    id: str
    name: str
    file: str
    late: bool = False
    order: int = 0
    typed: bool = False


def named(text: str) -> Named | None:
    """What a name in Moodle's or Canvas's download says; None for a name of another form."""
    match = _MOODLE.fullmatch(text)
    if match and (match["name"] or match["id"]):
        name = " ".join(match["name"].split())
        # Without a number only the name tells who it is.
        return Named(MOODLE, match["id"] or name, name, match["file"] or "", typed=match["type"] != "file")
    match = _CANVAS.fullmatch(text)
    if match and (match["name"] or match["id"].startswith("anon_")):
        late = match["late"] is not None
        order = int(match["file_id"] or 0)
        typed = match["typed"] is not None
        return Named(CANVAS, match["id"], match["name"] or "", match["file"] or "", late, order, typed)
    return None


def is_gradescope(text: str) -> bool:
    """Whether `text` is the name of a folder in Gradescope's export."""
    return _GRADESCOPE.fullmatch(text) is not None


def newest(names: Sequence[tuple[str, int]], wanted: Iterable[str]) -> dict[int, str]:
    """Which files count, by their place in `names`, and what each is to be called.

    `names` are (name, order) as Canvas has them: `tcp_server-1.py` is a second upload of `tcp_server.py`, if
    that is one of the `wanted` and `tcp_server-1.py` is not. Of several uploads of one file the newest is
    taken: that of the highest order, which is Canvas's own number of the file, then of the highest suffix.
    """
    asked = set(wanted)
    best: dict[str, tuple[tuple[int, int], int]] = {}
    for place, (name, order) in enumerate(names):
        number, plain = 0, name
        again = _AGAIN.fullmatch(name)
        if name not in asked and again and again["stem"] + again["suffix"] in asked:
            number, plain = int(again["number"]), again["stem"] + again["suffix"]
        rank = ((order, number), place)
        if plain not in best or rank > best[plain]:
            best[plain] = rank
    return {place: plain for plain, (_, place) in best.items()}


def of_file(text: str, wanted: Iterable[str]) -> str | None:
    """The student in `alice_tcp_server.py`, if tcp_server.py is one of the `wanted` files; else None."""
    for name in sorted(wanted, key=len, reverse=True):
        start = text.removesuffix(name)
        if start != text and start[-1:] in ("_", "-") and start.strip("_- "):
            return start.rstrip("_- ")
    return None
