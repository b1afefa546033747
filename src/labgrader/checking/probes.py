"""Looking at the lab from one of its hosts: TCP conversations, DNS, ping, captures, programs.

Every probe has a deadline and gives back what was seen. What could not be reached raises Unreached,
which says why; whether that is the student's matter is for the check to decide. A host that does not
do as asked raises LabError.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from labgrader.checking.verdicts import Notebook
from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.model.topology import Machine
from labgrader.remote.hands import Hands
from labgrader.remote.transport import Connection

CONNECT_S = 4.0
ANSWER_S = 4.0


class Unreached(Exception):
    """No bytes could be exchanged. `reason`: refused, unreachable, timeout, reset, or the system's words."""

    def __init__(self, host: str, target: str, reason: str) -> None:
        super().__init__(f"{target} could not be reached from {host}: {reason}")
        self.host = host
        self.target = target
        self.reason = reason


@dataclass(frozen=True)
class Stream:
    """What came on a connection: the bytes, and how it ended (closed, reset, timeout, most, or None)."""

    data: bytes
    end: str | None
    seconds: float = 0.0


@dataclass(frozen=True)
class Socket:
    """One socket of a host's, as the kernel lists it."""

    proto: str
    address: str
    port: int
    uid: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class ServiceState:
    """What came of (re)starting a service: `said` are its own words where it failed."""

    name: str
    ok: bool
    said: str
    submitted: tuple[str, ...] = ()


class Conversation:
    """A TCP connection from a host of the lab; a context manager that leaves no TIME_WAIT behind."""

    def __init__(self, hands: Hands, target: str, answer: Mapping[str, Any]) -> None:
        self._hands = hands
        self._handle: int = answer["conn"]
        self.target = target
        self.local_address: str = answer["local"][0]
        self.local_port: int = answer["local"][1]
        self._closed = False
        # Whether bytes pass between the two machines at all; for whoever got none through this connection.
        self.way_is_open: Callable[[], bool] = lambda: False

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # By RST: the server's port is free at once, and the next check's fresh start is a fair one.
        self.close(reset=True)

    def send(self, data: bytes, timeout_s: float = ANSWER_S) -> None:
        """Send `data` and wait until the other machine acknowledged it; Unreached if it does not."""
        answer = self._hands.ask(
            "send", patience_s=timeout_s, conn=self._handle, data=data.decode("latin-1"), timeout=timeout_s
        )
        if "failed" in answer:
            raise Unreached(self._hands.host, self.target, answer["failed"])

    def receive(
        self, timeout_s: float = ANSWER_S, *, until: bytes | None = None, at_least: int = 1
    ) -> Stream:
        """Read until `until`, or `at_least` bytes, or the end, or `timeout_s` seconds have passed."""
        answer = self._hands.ask(
            "receive",
            patience_s=timeout_s,
            conn=self._handle,
            timeout=timeout_s,
            until=until.decode("latin-1") if until is not None else None,
            at_least=at_least,
        )
        return Stream(answer["data"].encode("latin-1"), answer["end"])

    def await_end(self, timeout_s: float) -> Stream:
        """Read to the end of the stream; `end` is "timeout" if there is none within `timeout_s` seconds."""
        answer = self._hands.ask("drain", patience_s=timeout_s, conn=self._handle, timeout=timeout_s)
        return Stream(answer["head"].encode("latin-1"), answer["end"], answer["seconds"])

    def close(self, *, reset: bool = False) -> None:
        """Close; with `reset` by RST instead of FIN."""
        if not self._closed:
            self._closed = True
            self._hands.ask("close", conn=self._handle, reset=reset)


class Host:
    """One host of the lab as a check sees it: a place to look from, and its own evidence."""

    def __init__(
        self,
        machine: Machine,
        connection: Connection,
        hands: Hands,
        limits: Limits,
        notebook: Notebook,
        services: Mapping[str, ServiceState],
    ) -> None:
        self.name = machine.name
        self.hostname = machine.hostname
        self.machine = machine
        self.connection = connection
        self.hands = hands
        self.limits = limits
        self.notebook = notebook
        self.services = services

    def __str__(self) -> str:
        return self.hostname

    def connect(
        self, address: str, port: int, *, timeout_s: float = CONNECT_S, source: str | None = None
    ) -> Conversation:
        """Open a TCP connection from this host. Raises Unreached with the reason."""
        answer = self.hands.ask(
            "connect", patience_s=timeout_s, address=address, port=port, timeout=timeout_s, source=source
        )
        target = f"{address}:{port}"
        if "failed" in answer:
            raise Unreached(self.hostname, target, answer["failed"])
        return Conversation(self.hands, target, answer)

    def udp(
        self, address: str, port: int, data: bytes, *, timeout_s: float = 2.0, source: str | None = None
    ) -> bytes:
        """Send one datagram and return the answer to it. Raises Unreached."""
        answer = self.hands.ask(
            "udp",
            patience_s=timeout_s,
            address=address,
            port=port,
            data=data.decode("latin-1"),
            timeout=timeout_s,
            source=source,
        )
        if "failed" in answer:
            raise Unreached(self.hostname, f"{address}:{port}/udp", answer["failed"])
        return bytes(answer["data"].encode("latin-1"))

    def ping(self, address: str, *, timeout_s: float = 2.0, source: str | None = None) -> bool:
        """Whether `address` answers an ICMP echo within `timeout_s` seconds."""
        answer = self.hands.ask(
            "ping", patience_s=timeout_s + 2, address=address, timeout=timeout_s, source=source
        )
        if not answer["answered"]:
            self.notebook.add(f"{self.hostname}: ping {address}", answer["output"])
        return bool(answer["answered"])

    def sockets(self, uid: int | None = None) -> list[Socket]:
        """The listening sockets of this host, by its kernel's list."""
        return [
            Socket(item["proto"], item["address"], item["port"], item["uid"])
            for item in self.hands.ask("sockets")["sockets"]
            if item["state"] == (10 if item["proto"].startswith("tcp") else 7)
            and (uid is None or item["uid"] == uid)
        ]

    def run(self, *argv: str, timeout_s: float = 15.0, check: bool = True) -> tuple[int, str]:
        """Run a command of ours on this host; (exit status, standard output, else standard error).

        With `check`, another status than 0 is a LabError. Never pass anything a student wrote.
        """
        answer = self.hands.ask("run", patience_s=timeout_s, argv=list(argv), timeout=timeout_s)
        if "failed" in answer:
            raise LabError(f"{self.name}: {' '.join(argv)} did not end within {timeout_s:.0f} s.")
        text: str = (answer["stdout"] or answer["stderr"]).encode("latin-1").decode("utf-8", "replace")
        if check and answer["exit"] != 0:
            raise LabError(
                f"{self.name}: {' '.join(argv)} exited with {answer['exit']}: {text.strip()[-300:]}"
            )
        return answer["exit"], text

    def set_clock(self, moment: str) -> None:
        """Make it `moment` ("2026-03-02T10:00:00", the host's local time) for this host's xinetd.

        It goes on from there, until `reset_clock`. Raises ValueError for what is no such time.
        """
        time.strptime(moment, "%Y-%m-%dT%H:%M:%S")
        self.hands.ask("clock", moment=moment)

    def reset_clock(self) -> None:
        """Give this host's xinetd the true time again."""
        self.hands.ask("clock", moment=None)

    def evidence(self, title: str, *argv: str) -> None:
        """Keep the output of a command of ours on this host as evidence."""
        _status, text = self.run(*argv, check=False)
        self.notebook.add(f"{self.hostname}: {title}", text)

    def proves_reach(self, other: Host, address: str) -> bool:
        """Whether this vantage point can exchange bytes with `address` of `other`, where we answer."""
        answer = other.hands.ask("serve_word", address=address, port=0, timeout=CONNECT_S)
        if "failed" in answer:
            return False
        try:
            with self.connect(address, answer["port"]) as conversation:
                return bool(conversation.receive().data == answer["word"].encode())
        except Unreached:
            return False

    @contextlib.contextmanager
    def capture(self, interface: str) -> Iterator[Capture]:
        """Record the IPv4 frames on `interface` while the block runs; read them with `frames()`."""
        answer = self.hands.ask("capture", interface=interface)
        capture = Capture(self.hands, answer["capture"])
        try:
            yield capture
        finally:
            capture.stop()


class Capture:
    """Frames that passed an interface of a host that the grader owns."""

    def __init__(self, hands: Hands, handle: int) -> None:
        self._hands = hands
        self._handle = handle

    def frames(self) -> list[bytes]:
        """The Ethernet frames so far, oldest first."""
        answer = self._hands.ask("captured", capture=self._handle, stop=False)
        return [frame.encode("latin-1") for frame in answer["frames"]]

    def stop(self) -> None:
        self._hands.ask("captured", capture=self._handle, stop=True)
