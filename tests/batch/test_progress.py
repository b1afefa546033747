"""The line that tells how a grading goes, on a terminal and elsewhere."""

from __future__ import annotations

import contextlib
import io
import os

import pytest

from labgrader.batch import capacity
from labgrader.batch.progress import Progress
from labgrader.model import spec
from labgrader.model.limits import Limits
from labgrader.model.results import Report
from tests.golden import reports


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def feed(progress: Progress, clock: Clock, seen: list[Report | None], seconds: float) -> None:
    for number, report in enumerate(seen):
        clock.now += seconds
        progress.settled(f"student{number}", report, graded=True)


def test_what_is_told() -> None:
    clock = Clock()
    progress = Progress(20, io.StringIO(), clock=clock)
    assert progress.line() == "0 of 20 done: 0 passing, 0 failing, 0 incomplete"
    feed(
        progress,
        clock,
        [reports.FULL_MARKS, reports.LOOPBACK_ONLY, reports.REJECTED, reports.INCOMPLETE],
        2.0,
    )
    assert progress.line() == "4 of 20 done: 1 passing, 2 failing, 1 incomplete; 30 a minute, 32 s left"
    progress.settled("student3", reports.FULL_MARKS, graded=False)  # tried again
    progress.settled("absent", None, graded=False)
    assert progress.line().startswith(
        "5 of 20 done: 2 passing, 2 failing, 0 incomplete, 1 without a submission;"
    )


def test_a_file_gets_a_line_a_minute_and_no_control_characters() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(1000, stream, clock=clock)
    feed(progress, clock, [reports.FULL_MARKS] * 301, 1.0)
    progress.say("A worker died.")
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0] == "60 of 1000 done: 60 passing, 0 failing, 0 incomplete; 60 a minute, 16 min left"
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_a_terminal_has_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    clock, stream = Clock(), Terminal()
    progress = Progress(9, stream, clock=clock, environment={"TERM": "xterm", "NO_COLOR": "1"})
    feed(progress, clock, [reports.FULL_MARKS] * 3, 1.0)
    progress.say("A worker died.")
    progress.close()
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.count("\r") == 5 and "\x1b" not in text
    assert max(map(len, text.replace("\n", "\r").split("\r"))) < 60
    assert text.endswith(" \rA worker died.\n")


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_shows_the_rate_and_the_time_left_of_a_large_class(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    clock, stream = Clock(), Terminal()
    progress = Progress(3000, stream, clock=clock, environment={"TERM": "xterm"})
    feed(progress, clock, [None] * 99, 0.0)
    feed(progress, clock, [reports.FULL_MARKS] * 1000, 0.54)
    feed(progress, clock, [reports.REJECTED] * 1000, 0.54)
    feed(progress, clock, [reports.INCOMPLETE] * 12, 0.54)
    last = stream.getvalue().rpartition("\r")[2].rstrip()
    assert len(last) < columns
    for part in ("2111", "3000", "1000 pass", "1000 fail", "12 incomplete", "99 ", "; 111", " 8 min left"):
        assert part in last


def test_a_terminal_that_cannot_rewrite_is_as_a_file() -> None:
    clock, stream = Clock(), Terminal()
    feed(Progress(9, stream, clock=clock, environment={"TERM": "dumb"}), clock, [reports.FULL_MARKS] * 3, 1.0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("hung_up", [True, False])
def test_a_stream_that_takes_nothing_any_more_ends_no_grading(hung_up: bool) -> None:
    clock = Clock()
    ours, theirs = os.openpty()
    with open(theirs, "w") if hung_up else open("/dev/full", "w") as stream:
        progress = Progress(200, stream, clock=clock, environment={"TERM": "xterm"})
        os.close(ours)
        feed(progress, clock, [reports.FULL_MARKS] * 120, 1.0)
        progress.say("A worker died.")
        progress.close()
        assert progress.line().startswith("120 of 200 done")
        with contextlib.suppress(OSError):
            stream.close()


def test_the_number_of_labs_fits_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    small = spec.find("tcp-server")
    assert capacity.lab_mb(small) <= 200  # the budget of `lab bench --class`
    larger = small.model_copy(update={"limits": Limits()})
    assert capacity.lab_mb(larger) == capacity.lab_mb(small) + 256 - 48 + 5 * (32 - 4)
    assert capacity.lab_mb(spec.find("network-services")) > capacity.lab_mb(small)
    assert 1 <= capacity.default_jobs(small) <= max(1, capacity.free_mb() // capacity.lab_mb(small))
    monkeypatch.setattr(capacity, "free_mb", lambda: 450)
    assert (capacity.default_jobs(small), capacity.default_jobs(larger)) == (2, 1)
