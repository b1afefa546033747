"""What a call of Vagrant prints: kept, written to its log as it comes, and told to the one who waits."""

from __future__ import annotations

import contextlib
import datetime
import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from labgrader.errors import LabError
from labgrader.printable import printable
from labgrader.providers.vagrant import machine_readable
from labgrader.providers.vagrant.machine_readable import Line

TELL_EVERY_S = 1.0
LOOK_S = 0.1
KEPT_LINES = 20_000
LONGEST = 1 << 20


@dataclass
class Journal:
    """The log, appended to in whole lines; a disk that is full must not end a `vagrant destroy`."""

    path: Path
    handle: int
    broken: str = ""

    @classmethod
    def open(cls, path: Path) -> Journal:
        try:
            handle = os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            os.fchmod(handle, 0o600)
        except OSError as error:
            raise LabError(f"Vagrant's log {path} cannot be written: {error.strerror}.") from error
        return cls(path, handle)

    @property
    def where(self) -> str:
        """Where to read on."""
        return f"the full log: {self.path}" + (f" (not whole: {self.broken})" if self.broken else "")

    def note(self, text: str) -> None:
        """Write a line of our own, with the time."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self.write(f"== {now} {text}\n".encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.handle, data) :]
        except OSError as error:
            self.broken = error.strerror or str(error)

    def close(self) -> None:
        os.close(self.handle)


@dataclass
class Progress:
    """Lines for the one who waits: the newest, at most one a second."""

    tell: Callable[[str], None] | None
    last: str = ""
    waiting: bool = False
    told_at: float = -TELL_EVERY_S

    def take(self, text: bytes) -> None:
        for item in machine_readable.said([machine_readable.line(text.decode("utf-8", "replace"))]):
            first = item.text.strip().partition("\n")[0]
            if item.target and item.level != "error" and first and not first.startswith("--"):
                self.last, self.waiting = printable(f"{item.target}: {first}", 100), True

    def look(self) -> None:
        now = time.monotonic()
        if self.tell and self.waiting and now - self.told_at >= TELL_EVERY_S:
            self.waiting, self.told_at = False, now
            self.tell(self.last)


@dataclass
class Kept:
    """The last lines of a stream, and what has come of the next one."""

    begun: bytes = b""
    whole: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def take(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        *lines, self.begun = (self.begun + data).split(b"\n")
        if len(self.begun) > LONGEST:
            lines, self.begun = [*lines, self.begun], b""
        self.whole += lines
        return lines

    def lines(self) -> Iterable[Line]:
        return (
            machine_readable.line(item.decode("utf-8", "replace").removesuffix("\r")) for item in self.whole
        )

    def text(self) -> str:
        return b"\n".join(self.whole).decode("utf-8", "replace")


class Call:
    """One call's two streams, from its start to its end."""

    def __init__(self, journal: Journal, progress: Progress) -> None:
        self.progress = progress
        self.out = Kept()
        self.err = Kept()
        self._journal = journal
        self._streams: dict[IO[bytes], Kept] = {}

    def follow(self, keeper: subprocess.Popen[bytes], deadline: float) -> bool:
        """Take in what is printed until the command has ended; False if the deadline came first.

        Its end is what counts, not that of its streams: a machine that it started may hold these.
        """
        assert keeper.stdout is not None and keeper.stderr is not None
        self._streams = {keeper.stdout: self.out, keeper.stderr: self.err}
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while keeper.poll() is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if not selector.get_map():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        keeper.wait(left)
                    continue
                for key, _ in selector.select(min(left, LOOK_S)):
                    stream = next(item for item in self._streams if item is key.fileobj)
                    if self._read(stream) == b"":
                        selector.unregister(stream)
                self.progress.look()
        return True

    def drain(self) -> None:
        """Take in what is left in the streams, and close them."""
        for stream, kept in self._streams.items():
            while self._read(stream):
                pass
            if kept.begun:
                self._keep(kept, b"\n")
            stream.close()

    def _read(self, stream: IO[bytes]) -> bytes | None:
        """Take in what is there now; b"" at the stream's end, None where nothing is there yet."""
        try:
            data = os.read(stream.fileno(), 1 << 16)
        except BlockingIOError:
            return None
        if data:
            self._keep(self._streams[stream], data)
        return data

    def _keep(self, kept: Kept, data: bytes) -> None:
        lines = kept.take(data)
        if lines:
            self._journal.write(b"\n".join(lines) + b"\n")
        if kept is self.out:
            for item in lines:
                self.progress.take(item)
