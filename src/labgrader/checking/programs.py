"""A student's server program under test: start it, wait for it, read what it prints, and say what is wrong.

Readiness is seen in the kernel's list of sockets, so that a server for one client still has its one to
serve. What the program prints is data: it is searched, and shown only as evidence.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from labgrader.checking.probes import Host, Socket
from labgrader.checking.verdicts import fail
from labgrader.errors import LabError
from labgrader.printable import printable

LISTEN_S = 6.0
PRINT_S = 3.0
STOP_S = 5.0
PLACES_SAID = 4
USER = "student"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": f"/home/{USER}",
    "USER": USER,
    "LOGNAME": USER,
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
}
ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
ANY_ADDRESS = ("0.0.0.0", "::")


class Program:
    """One fresh start of the student's program on his host. A context manager that leaves nothing behind."""

    def __init__(self, host: Host, argv: Sequence[str], port: int) -> None:
        self.host = host
        self.port = port
        limits = host.limits
        answer = host.hands.ask(
            "start",
            argv=list(argv),
            user=USER,
            cwd=f"/home/{USER}",
            environment=ENVIRONMENT,
            limits={
                "processes": limits.processes,
                "memory_mb": limits.memory_mb,
                "cpu_s": limits.cpu_s,
                "disk_mb": limits.disk_mb,
                "open_files": limits.open_files,
                "output_kb": limits.output_kb,
            },
        )
        self._handle: int = answer["program"]
        self._started = time.monotonic()
        self.printed = b""
        self.state: dict[str, Any] = {}
        self.listening: list[Socket] = []
        self._stopped = False

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A connection that was lost is the trouble to tell, not that stopping over it failed, too.
        if kind is None or not issubclass(kind, LabError):
            self.stop()

    def await_listening(self, timeout_s: float = LISTEN_S, *, address: str | None = None) -> bool:
        """Wait until the program listens on its TCP port; False when it ended or did not in time.

        With `address`, until it listens where a connection to that address is taken.
        """
        answer = self.host.hands.ask(
            "await_listening",
            patience_s=timeout_s,
            program=self._handle,
            port=self.port,
            timeout=timeout_s,
            addresses=[*ANY_ADDRESS, address, f"::ffff:{address}"] if address else None,
        )
        self.state = answer
        self.listening = [
            Socket(item["proto"], item["address"], item["port"], item["uid"]) for item in answer["listening"]
        ]
        return bool(answer["there"])

    def must_listen(self) -> None:
        """Fail the check with the true reason unless the program comes to listen on its port."""
        if not self.await_listening():
            self.settle(0.3)
            fail(*_why_not_listening(self))

    def wait_for(self, wanted: Sequence[re.Pattern[bytes]], timeout_s: float = PRINT_S) -> bool:
        """Read the printout until every pattern is found in it, the program ended, or time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            text = self.text
            if all(pattern.search(text) for pattern in wanted):
                return True
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                return all(pattern.search(self.text) for pattern in wanted)

    def settle(self, timeout_s: float) -> None:
        """Read on until the program ended and all it printed is here, or `timeout_s` seconds have passed."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and self._read(left):
            pass

    def hear_out(self, quiet_s: float = 0.2, timeout_s: float = 1.0) -> None:
        """Read on until the program ended, or printed nothing for `quiet_s`, or `timeout_s` have passed."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            before = len(self.printed)
            if not self._read(min(quiet_s, left)) or len(self.printed) == before:
                return

    @property
    def text(self) -> bytes:
        """The printout so far, without terminal control sequences."""
        return ANSI.sub(b"", self.printed)

    @property
    def ended(self) -> bool:
        return self.state.get("ended") is not None

    def stop(self) -> None:
        """End the program and all it started; its printout becomes evidence."""
        if self._stopped:
            return
        self._stopped = True
        answer = self.host.hands.ask(
            "stop", patience_s=3 * STOP_S, program=self._handle, port=self.port, timeout=STOP_S
        )
        if not self.printed:
            self.printed = answer["tail"].encode("latin-1")
        self.host.notebook.add("What the program printed", self.text)
        if answer["dropped"]:
            self.host.notebook.add(
                "Printout left out", f"{answer['dropped']} more bytes were printed and not kept."
            )
        if answer["left"]:
            raise LabError(
                f"{self.host.name}: {len(answer['left'])} processes of the program could not be ended."
            )
        if answer["lingering"]:
            left = ", ".join(
                f"state {item['state']} on {item['address']}" for item in answer["lingering"][:4]
            )
            raise LabError(
                f"{self.host.name}: port {self.port} did not become free after the program ended ({left})."
            )

    def _read(self, timeout_s: float) -> bool:
        """Take in what is new; False once the program ended and all it printed is here, or nothing came."""
        answer = self.host.hands.ask(
            "output", patience_s=timeout_s, program=self._handle, after=len(self.printed), timeout=timeout_s
        )
        piece = answer["output"].encode("latin-1")
        self.printed += piece
        self.state = answer
        return bool(piece) or answer["ended"] is None

    def sockets_said(self) -> str:
        """Where it listens now, in words."""
        places = sorted(
            {str(item) for item in self.listening if item.port == self.port and item.proto[:3] == "tcp"}
        )
        return " and ".join(places[:PLACES_SAID]) or "nowhere"


def _why_not_listening(program: Program) -> tuple[str]:
    port = program.port
    state = program.state
    seconds = time.monotonic() - program._started
    tcp = [item for item in program.listening if item.proto.startswith("tcp")]
    udp = [item for item in program.listening if item.proto.startswith("udp") and item.port == port]
    if state.get("killed_for") == "memory":
        return (f"It used more than {program.host.limits.memory_mb} MB of memory and was stopped.",)
    if udp:
        return (f"It opened UDP port {port}; the lab asks for TCP: create the socket with SOCK_STREAM.",)
    if tcp:
        places = _places(tcp)
        return (f"It listens on {places}, not on TCP port {port}: look at the port given to bind().",)
    last = last_error_line(program.text)
    if program.ended:
        how = _how_ended(state["ended"])
        if last:
            return (f"It ended before it listened, with: {last}{python2_remark(program.text)}",)
        return (f"It ended {how} without listening on TCP port {port}.{_why_ended(program)}",)
    printed = program.text.strip().splitlines()
    waits = ""
    if printed and re.search(rb"[:>?]\s*\Z", program.text):
        waits = " It seems to wait for input: a server must start without being asked anything."
    return (f"It ran for {seconds:.0f} s without listening on TCP port {port}.{waits}",)


def _places(sockets: Sequence[Socket]) -> str:
    """Where these listen, in words; of many only some are named."""
    places = sorted({str(item) for item in sockets})
    more = f" and {len(places) - PLACES_SAID} more" if len(places) > PLACES_SAID else ""
    return ", ".join(places[:PLACES_SAID]) + more


def _how_ended(ended: dict[str, int]) -> str:
    if "signal" in ended:
        names = {int(item): item.name for item in signal.Signals}
        return f"by signal {ended['signal']} ({names.get(ended['signal'], 'a real-time signal')})"
    return f"with exit status {ended['exit']}"


def _why_ended(program: Program) -> str:
    """What the signal means that the kernel sends for want of memory, as a further sentence; else ""."""
    if program.state["ended"].get("signal") != signal.SIGKILL:
        return ""
    limit = program.host.limits.memory_mb
    return f" That is what happens to a program that takes more memory than it may have, {limit} MB."


def last_error_line(text: bytes) -> str:
    """The last line of the last Python traceback (or syntax error) in a printout, printable; "" if none."""
    found = re.findall(
        rb"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b:?.*)$", text, re.MULTILINE
    )
    return printable(found[-1].strip(), 200) if found else ""


def python2_remark(text: bytes) -> str:
    """A remark in brackets on programs that were written for Python 2, else ""."""
    signs = (
        rb"Missing parentheses in call to 'print'",
        rb"No module named '(?:SocketServer|Queue|thread|commands|urllib2|ConfigParser)'",
        rb"name '(?:raw_input|unicode|xrange|reload|unichr)' is not defined",
        rb"multiple exception types must be parenthesized",
        rb"a bytes-like object is required, not 'str'",
    )
    if any(re.search(sign, text) for sign in signs):
        return (
            " (this looks like Python 2; the lab runs Python 3, "
            "in which sockets carry bytes and print is a function)"
        )
    return ""
