"""A known cause of a failure: how it is recognized, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """`sentence` = cause; remedy, with {names} of groups in `words`.

    It is the cause if `words` (a regular expression, any case, blanks squeezed) are in the message, or if
    the error's class, without its modules, is one of `errors`; and, if `warned` is given, only if these
    words are in the other output too.
    """

    sentence: str
    words: str = ""
    errors: tuple[str, ...] = ()
    warned: str = ""
