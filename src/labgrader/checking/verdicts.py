"""How a check says what it found: the exceptions that a lab's author raises, and evidence.

A check that returns passes. Anything that it raises besides these is a bug of the check's, or ours, and
never costs a student points.
"""

from __future__ import annotations

from typing import NoReturn

from labgrader.model.results import Evidence
from labgrader.printable import printable_block

EVIDENCE_LINES = 40
EVIDENCE_COLUMNS = 200


class Failed(Exception):
    """The student's answer is wrong: `message` says what was seen, `hint` where to look."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Blocked(Exception):
    """The check cannot be judged because check `by` failed."""

    def __init__(self, by: str, message: str) -> None:
        super().__init__(message)
        self.by = by
        self.message = message


def fail(message: str, *, hint: str | None = None) -> NoReturn:
    """End the check as failed.

    >>> fail("192.168.1.10:11200 refused V1's connection.", hint="bind to ''")
    Traceback (most recent call last):
    labgrader.checking.verdicts.Failed: 192.168.1.10:11200 refused V1's connection.
    """
    raise Failed(message, hint)


def blocked(by: str, message: str) -> NoReturn:
    """End the check as blocked by the failed check `by`; an error of the lab's if `by` did not fail."""
    raise Blocked(by, message)


class Notebook:
    """Collects the evidence of the check that runs just now; texts are made printable as they come in."""

    def __init__(self) -> None:
        self._items: list[Evidence] = []

    def add(self, title: str, text: str | bytes) -> None:
        """Keep `text`, cut to 40 lines of 200 columns, under `title`."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        shown = printable_block(text, max_lines=EVIDENCE_LINES, max_columns=EVIDENCE_COLUMNS)
        item = Evidence(title, shown)
        if shown.strip() and item not in self._items:
            self._items.append(item)

    def take(self) -> tuple[Evidence, ...]:
        """What was collected since the last call."""
        items, self._items = tuple(self._items), []
        return items
