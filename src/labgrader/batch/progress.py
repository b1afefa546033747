"""How a grading goes, while it goes: one line that is rewritten on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import TextIO

from labgrader.model.results import Report, Status

REDRAW_S = 0.2
LINE_EVERY_S = 60.0
MISSING = "without a submission"
WINDOW = 60  # the rate is that of the last so many, for the slow ones may come in a row


class Progress:
    """Counts what is settled and tells of it on `stream`."""

    def __init__(
        self,
        total: int,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._total = total
        self._stream = stream
        self._clock = clock
        self._rewrites = stream.isatty() and environment.get("TERM", "dumb") != "dumb"
        self._counts: Counter[str] = Counter()
        self._incomplete: set[str] = set()
        self._finished: deque[float] = deque([clock()], maxlen=WINDOW)
        self._shown = 0
        self._lost = False
        self._next = clock() + (0.0 if self._rewrites else LINE_EVERY_S)

    def settled(self, student: str, report: Report | None, *, graded: bool) -> None:
        """One student is done; `report` is None for one with a problem, `graded` says if it took a lab."""
        self._incomplete.discard(student)
        if report is None:
            self._counts[MISSING] += 1
        elif report.status is Status.INCOMPLETE:
            self._incomplete.add(student)
        else:
            self._counts["passing" if report.full_marks else "failing"] += 1
        if graded:
            self._finished.append(self._clock())
        self.tick()

    def tick(self) -> None:
        """To be called now and then; writes when it is time to."""
        now = self._clock()
        if now < self._next:
            return
        if self._rewrites:
            self._next = now + REDRAW_S
            self._draw()
        else:
            self._next = now + LINE_EVERY_S
            self._write(self.line() + "\n")

    def say(self, text: str) -> None:
        """A line of its own, which stays."""
        self._erase()
        self._write(text + "\n")

    def close(self) -> None:
        """The last line stays, on a terminal."""
        if self._rewrites and self._shown:
            self._draw()
            self._write("\n")
            self._shown = 0

    def line(self, *, short: bool = False) -> str:
        """How far it is: `120 of 300 done: 80 passing, 40 failing, 0 incomplete; 63 a minute, 3 min left`.

        In short `120/300: 80 pass, 40 fail, 0 incomplete; 63/min, 3 min left`.
        """
        counts, missing = self._counts, self._counts[MISSING]
        done = sum(counts.values()) + len(self._incomplete)
        passing, failing, absent = ("pass", "fail", "missing") if short else ("passing", "failing", MISSING)
        line = f"{done}/{self._total}: " if short else f"{done} of {self._total} done: "
        line += f"{counts['passing']} {passing}, {counts['failing']} {failing}, "
        line += f"{len(self._incomplete)} incomplete" + (f", {missing} {absent}" if missing else "")
        rate = self._rate()
        if rate is None:
            return line
        line += f"; {rate * 60:.0f}{'/min' if short else ' a minute'}"
        return line + (f", {_duration((self._total - done) / rate)} left" if done < self._total else "")

    def _rate(self) -> float | None:
        """Labs a second."""
        passed = self._clock() - self._finished[0]
        return (len(self._finished) - 1) / passed if len(self._finished) > 1 and passed > 0 else None

    def _draw(self) -> None:
        width = max(20, shutil.get_terminal_size().columns - 1)
        text = self.line()
        # What would be cut off is the rate and the time left.
        text = (text if len(text) <= width else self.line(short=True))[:width]
        self._write("\r" + text.ljust(self._shown))
        self._shown = len(text)

    def _erase(self) -> None:
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        """A terminal that was hung up, or a log's full disk, must not end the grading."""
        if self._lost:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed
            self._lost = True


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
