"""Reading a deadline as people write it, and saying whether something came after it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from labgrader.errors import UsageError
from labgrader.printable import printable

_FORM = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?"
    r"\s*(?P<zone>Z|z|[+-]\d\d(?::?\d\d)?|[A-Za-z][A-Za-z0-9_+/-]{0,63})?"
)
_YEARS = range(1980, 2200)
_HOW = "write it as 2026-03-01 23:59, 2026-03-01T23:59+08:00 or 2026-03-01 23:59 Asia/Shanghai"


def parse(text: str) -> datetime:
    """The moment until which a submission is in time, with its zone.

    Takes a day, or a day and a time, with an offset, `Z` or a zone's name behind it; without one it is the
    local time of this machine. What is left open is given to the student: a day lasts until it ends, 23:59
    until the minute ends, and of the hour that a clock shows twice in autumn the later one is meant.
    Raises UsageError.

    >>> parse("2026-03-01T23:59Z").isoformat()
    '2026-03-01T23:59:59.999999+00:00'
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{printable(text, 60)} is not a deadline; {_HOW}.")
    try:
        day = date.fromisoformat(match["day"])
        clock = match["clock"] or "23:59"
        moment = datetime.combine(day, time.fromisoformat(_six_digits(clock)), _zone(match["zone"]))
        if moment.year not in _YEARS:
            raise ValueError
        if clock.count(":") == 1:
            moment = moment.replace(second=59, microsecond=999_999)
        moment = moment.replace(fold=1)
        return moment if moment.tzinfo is not None else moment.astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"there is no such time as {printable(text, 60)}; {_HOW}.") from None


def is_late(submitted: datetime | None, deadline: datetime | None) -> bool:
    """Whether `submitted` is known and after `deadline`; to the minute or second that the deadline names."""
    return submitted is not None and deadline is not None and submitted > deadline


def moment(seconds: float) -> datetime | None:
    """Seconds since 1970 as a time in UTC; None for what no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def shown(when: datetime) -> str:
    """A time for a sentence, to the second, with its offset."""
    return when.isoformat(" ", "seconds")


def _six_digits(clock: str) -> str:
    whole, dot, fraction = clock.partition(".")
    return whole + dot + fraction.ljust(6, "0") if dot else whole


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    if name in ("Z", "z", "UTC", "GMT"):
        return UTC
    if name[0] in "+-":
        digits = name[1:].replace(":", "").ljust(4, "0")
        offset = datetime.strptime(f"{name[0]}{digits}", "%z").tzinfo
        if offset is None or int(digits[:2]) > 14:
            raise ValueError(name)
        return offset
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(name) from None
    except KeyError:
        raise UsageError(f"{printable(name)} is no time zone; {_HOW}.") from None
