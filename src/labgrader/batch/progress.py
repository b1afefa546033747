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
        self._next = clock() + (0.0 if self._rewrites else LINE_EVERY_S)

    def settled(self, student: str, report: Report | None, *, graded: bool) -> None:
        """One student is done; `report` is None for one with a problem, `graded` says if it took a lab."""
        self._incomplete.discard(student)
        if report is None:
            self._counts["without a submission"] += 1
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
            self._draw(self.line())
        else:
            self._next = now + LINE_EVERY_S
            print(self.line(), file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """A line of its own, which stays."""
        self._erase()
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """The last line stays, on a terminal."""
        if self._rewrites and self._shown:
            self._draw(self.line())
            print(file=self._stream, flush=True)
            self._shown = 0

    def line(self) -> str:
        """How far it is: `120 of 300 done: 80 passing, 40 failing, 0 incomplete; 63 a minute, 3 min left`."""
        done = sum(self._counts.values()) + len(self._incomplete)
        parts = [f"{self._counts['passing']} passing", f"{self._counts['failing']} failing"]
        parts += [f"{len(self._incomplete)} incomplete"]
        if self._counts["without a submission"]:
            parts.append(f"{self._counts['without a submission']} without a submission")
        line = f"{done} of {self._total} done: {', '.join(parts)}"
        rate = self._rate()
        if rate is None:
            return line
        line += f"; {rate * 60:.0f} a minute"
        return line + (f", {_duration((self._total - done) / rate)} left" if done < self._total else "")

    def _rate(self) -> float | None:
        """Labs a second."""
        passed = self._clock() - self._finished[0]
        return (len(self._finished) - 1) / passed if len(self._finished) > 1 and passed > 0 else None

    def _draw(self, text: str) -> None:
        text = text[: max(20, shutil.get_terminal_size().columns - 1)]
        self._stream.write("\r" + text.ljust(self._shown))
        self._stream.flush()
        self._shown = len(text)

    def _erase(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._shown = 0


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
