"""The sentence for a submission without the files that the lab asks for, and the likely slip. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from labgrader.errors import SubmissionError
from labgrader.intake.archives import SUFFIXES, Member, is_other_archive
from labgrader.printable import printable

_COPY = re.compile(r"[ _-]*(\(\d+\)|（\d+）|copy|副本|- 副本)(?=\.|$)", re.IGNORECASE)
_CONSIDERED = 200  # names, so that a folder of thousands costs nothing
_LISTED = 5


def listing(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " ".join(filter(None, [", ".join(words[:-1]), last if len(words) > 1 else "", *words[-1:]]))


def near(name: str, members: Iterable[Member]) -> Member | None:
    """The member whose name is most likely a slip for `name`: letter case, a copy's number, an ending."""
    best, best_score = None, 0.72
    for member in list(members)[:_CONSIDERED]:
        other = member.path[-1]
        if len(other) > 2 * len(name) + 40:
            continue
        score = _likeness(name.casefold(), other.casefold())
        if score > best_score:
            best, best_score = member, score
    return best


def _likeness(name: str, other: str) -> float:
    bare = _COPY.sub("", other)
    if name in (other, bare):
        return 1.0
    # tcp_server.py.txt, tcp_server.py.py, 12345_tcp_server.py
    if bare.startswith(name + ".") or (bare.endswith(name) and not bare[: -len(name)][-1:].isalnum()):
        return 0.99
    return difflib.SequenceMatcher(None, name, bare).ratio()


def nothing_wanted(members: Sequence[Member], wanted: Sequence[str], where: str | None) -> SubmissionError:
    """The refusal when none of `wanted` is in the folder or archive `where`; None: a single file."""
    # An archive by whatever other name would still be one.
    packed = [member for member in members[:_CONSIDERED] if _is_packed(member)]
    loose = [member for member in members[: 2 * _CONSIDERED] if not _is_packed(member)]
    slips = [(name, slip) for name in wanted if (slip := near(name, loose)) is not None]
    names = [printable(member.name, 80) for member in members]
    if where is None:
        text = f"{names[0]} is not a file that the lab asks for, which is {listing(wanted, 'or')}."
    else:
        text = f"no {listing(wanted, 'or')} in {where}; it {_holds(names)}."
    if slips:
        name, slip = slips[0]
        return SubmissionError(
            f"{text} Rename {printable(slip.path[-1], 80)} to {name} and hand it in again."
        )
    if packed:
        shown = printable(packed[0].name, 80)
        if is_other_archive(packed[0].path[-1]):
            return SubmissionError(f"{text} {not_read_here(shown)}")
        return SubmissionError(f"{text} {shown} was not looked into; hand in the files that are in it.")
    if len(names) == 1 and len(wanted) == 1:
        return SubmissionError(f"{text} If that is your {wanted[0]}, rename it and hand it in again.")
    what = wanted[0] if len(wanted) == 1 else "at least one of these files"
    return SubmissionError(f"{text} Hand in {what}, by exactly that name.")


def not_read_here(shown: str) -> str:
    """What to tell of an archive of a kind that is not read here; `shown` is printable."""
    return f"{shown} is not an archive that is read here; pack the files as .zip or .tar.gz."


def _is_packed(member: Member) -> bool:
    return is_other_archive(member.path[-1]) or member.path[-1].lower().endswith(SUFFIXES)


def _holds(names: Sequence[str]) -> str:
    if not names:
        return "is empty"
    more = len(names) - _LISTED
    return f"holds {listing([*names[:_LISTED], f'{more} more'] if more > 0 else names)}"
