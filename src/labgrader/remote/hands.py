"""The grader's end of the agent on a host (guest/lib/agent.py): requests and answers over one SSH channel."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from typing import Any

from labgrader.errors import LabError
from labgrader.remote.transport import Connection, close_quietly

COMMAND = "exec /usr/bin/python3 -IS /usr/lib/labgrader/agent.py"
START_S = 15.0
GRACE_S = 10.0


class Hands:
    """Ask the agent of one host; many threads may ask at once."""

    def __init__(self, connection: Connection) -> None:
        self.host = connection.host
        self._channel = connection.channel(COMMAND, START_S)
        # What the agent says of its own troubles; a broken agent is told with its last words.
        self._channel.set_combine_stderr(False)
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._condition = threading.Condition()
        self._gone: str | None = None
        self._ready = False
        self._reader = threading.Thread(target=self._read, name=f"hands-{self.host}", daemon=True)
        self._reader.start()

    def ask(self, op: str, *, patience_s: float = 5.0, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        `patience_s` is how long the operation itself may take; the answer is awaited some seconds more.
        Raises LabError when the host does not answer or the agent broke.
        """
        number = next(self._numbers)
        line = json.dumps({"id": number, "op": op, **arguments}) + "\n"
        try:
            with self._sending:  # a long line goes out in pieces; no other may come between them
                self._channel.sendall(line.encode())
        except (OSError, EOFError) as error:
            raise LabError(
                f"{self.host}: the connection to its agent broke: {self._gone or error}."
            ) from error
        with self._condition:
            if not self._condition.wait_for(
                lambda: number in self._answers or self._gone is not None, patience_s + GRACE_S
            ):
                raise LabError(f"{self.host}: no answer to {op!r} within {patience_s + GRACE_S:g} s.")
            if number not in self._answers:
                raise LabError(f"{self.host}: its agent ended while {op!r} was asked: {self._gone}.")
            answer = self._answers.pop(number)
        if "broken" in answer:
            raise LabError(f"{self.host}: its agent failed: {answer['broken']}.")
        return answer

    def close(self) -> None:
        close_quietly(self._channel)

    def leave(self) -> None:
        """Let the agent end and wait until it has; raises LabError when it does not."""
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError) as error:
            raise LabError(f"{self.host}: the connection to its agent broke: {error}.") from error
        if not self._channel.status_event.wait(GRACE_S):
            raise LabError(f"{self.host}: its agent did not end within {GRACE_S:g} s.")
        self.close()

    def _read(self) -> None:
        buffer = b""
        try:
            while piece := self._receive():
                buffer += piece
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._take(line)
            words = self._channel.recv_stderr(2000) if self._channel.recv_stderr_ready() else b""
            gone = words.decode("utf-8", "replace").strip()[-300:] or "the connection ended"
        except (OSError, EOFError, ValueError) as error:
            gone = str(error) or type(error).__name__
        with self._condition:
            self._gone = gone
            self._condition.notify_all()

    def _receive(self) -> bytes:
        # The channel's time-out is there for sending; an answer may take as long as its asker is patient.
        while True:
            with contextlib.suppress(TimeoutError):
                return self._channel.recv(65536)

    def _take(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
            number = answer.get("id")
        except (ValueError, AttributeError) as error:
            raise ValueError(f"it said what is no answer: {line[:200]!r}") from error
        if isinstance(number, int):
            with self._condition:
                self._answers[number] = answer
                self._condition.notify_all()
