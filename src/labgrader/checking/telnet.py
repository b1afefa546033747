"""Telnet from a host of the lab: the real client on a pseudo-terminal, driven with pexpect."""

from __future__ import annotations

import re
import secrets
from types import TracebackType

import pexpect
from pexpect.spawnbase import SpawnBase

from labgrader.checking.probes import Host, Unreached
from labgrader.errors import LabError

LOGIN_S = 8.0
PORT = 23


class _Channel(SpawnBase):  # type: ignore[type-arg] # not subscriptable when it runs
    """pexpect's way of expecting, over an SSH channel."""

    def __init__(self, host: Host, command: str) -> None:
        super().__init__(timeout=LOGIN_S, encoding=None)
        self._host = host
        self._channel = host.connection.channel(command, terminal=True)

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:
        self._channel.settimeout(self.timeout if timeout in (None, -1) else timeout)
        try:
            data = self._channel.recv(size)
        except TimeoutError as error:
            raise pexpect.TIMEOUT("nothing came") from error
        except OSError as error:
            raise LabError(f"{self._host.name}: the connection broke during telnet: {error}.") from error
        if not data:
            self.flag_eof = True
            raise pexpect.EOF("the telnet client ended")
        self._log(data, "read")  # type: ignore[attr-defined] # its stubs leave it out
        return bytes(data)

    def send(self, text: bytes) -> None:
        try:
            self._channel.sendall(text)
        except OSError:
            pass  # the client ended; the next expect says so

    def close(self) -> None:
        self._channel.close()


class Session:
    """One run of `telnet ADDRESS` on a host; a context manager whose transcript becomes evidence."""

    def __init__(self, host: Host, address: str) -> None:
        self._host = host
        self._address = address
        self._child = _Channel(host, f"exec telnet {address}")
        self._transcript = bytearray()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()
        text = bytes(self._transcript).replace(b"\r\n", b"\n").replace(b"\r", b"")
        self._host.notebook.add(f"{self._host.hostname}: telnet {self._address}", text)

    @property
    def transcript(self) -> str:
        """Everything shown so far."""
        return bytes(self._transcript).decode("utf-8", "replace")

    def expect(self, *patterns: str, timeout_s: float = LOGIN_S) -> int | None:
        """Wait for one of the regular expressions; its index, or None at the end or when time is up."""
        wanted = [re.compile(pattern.encode()) for pattern in patterns]
        try:
            found: int = self._child.expect([*wanted, pexpect.EOF, pexpect.TIMEOUT], timeout=timeout_s)
        finally:
            self._transcript += self._child.before if isinstance(self._child.before, bytes) else b""
            self._transcript += self._child.after if isinstance(self._child.after, bytes) else b""
        return found if found < len(wanted) else None

    @property
    def match(self) -> re.Match[bytes]:
        """The match of the last `expect` that found something."""
        found = self._child.match
        assert isinstance(found, re.Match)
        return found

    def send_line(self, text: str) -> None:
        self._child.send(text.encode() + b"\r")

    def log_in(self, user: str, password: str) -> bool:
        """Answer the login and password prompts; whether something other than a refusal followed."""
        if self.expect(r"login: ?$") is None:
            return False
        self.send_line(user)
        found = self.expect(r"(?i)password: ?$", r"(?i)incorrect|denied|not allowed|refused")
        if found != 0:
            return False
        self.send_line(password)
        return self.expect(r"[$#%>] ?$", r"(?i)incorrect|denied|not allowed|refused") == 0

    def user_id(self) -> int | None:
        """The uid of the shell at the other end, by its own `id`; None if it does not answer."""
        token = secrets.token_hex(6)
        # The line as typed is echoed; only the shell's answer has digits before the token.
        self.send_line(f"echo $(id -u)-{token}")
        if self.expect(rf"(\d+)-{token}") is None:
            return None
        return int(self.match.group(1))

    def can_become_root(self, password: str) -> bool:
        """Whether `su` with this password gives uid 0: the password itself is right."""
        token = secrets.token_hex(6)
        self.send_line(f"su -c 'echo $(id -u)-{token}'")
        if self.expect(r"(?i)password: ?$") is None:
            return False
        self.send_line(password)
        return self.expect(rf"\b0-{token}", r"(?i)failure|incorrect") == 0


def serves(host: Host, address: str, *, timeout_s: float = 5.0) -> bool:
    """Whether anything of a service is seen at `address` port 23: it sends at least one byte.

    xinetd refuses a client by closing a connection that it has accepted, without a byte.
    """
    try:
        with host.connect(address, PORT) as conversation:
            return bool(conversation.receive(timeout_s).data)
    except Unreached:
        return False


def await_sessions_over(host: Host, *, timeout_s: float = 2.0) -> bool:
    """Wait until xinetd on `host` has nobody to serve; whether that came within the time.

    A client's end is not yet a session's: xinetd counts it (instances, per_source) until the server that it
    started is gone, and would refuse the next client meanwhile.
    """
    answer = host.hands.ask(
        "await_childless", patience_s=timeout_s, pidfile="/run/xinetd.pid", timeout=timeout_s
    )
    return bool(answer["childless"])
