"""SSH to a lab host with paramiko: run commands, put and get files. Everything has a deadline.

The host's key is pinned: the one that the provider handed out is accepted, no other. A connection that
is lost, silent or wrong raises LabError naming the host, the command and its last words; that is our
failure, never the student's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import paramiko

from labgrader.errors import LabError
from labgrader.remote.access import Access
from labgrader.remote.streams import Kept, converse, last_words

# paramiko logs tracebacks of its transport threads; what matters of them reaches us as exceptions.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CONNECT_S = 15.0
COMMAND_S = 60.0
KEEP_BYTES = 1 << 20


@dataclass(frozen=True)
class Completed:
    """A command that ended: exit status and both streams, each cut to the bytes kept (1 MiB)."""

    command: str
    exit: int
    stdout: bytes
    stderr: bytes

    def last_words(self) -> str:
        """The end of what was kept of what it said, standard error first, on one line."""
        return last_words(self.stderr, self.stdout)


class Connection:
    """An SSH connection to one host. Use as a context manager, or call `close`."""

    def __init__(self, access: Access, deadline_s: float = CONNECT_S) -> None:
        self.access = access
        self._transport = _connect(access, deadline_s)
        self._sftp: paramiko.SFTPClient | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def host(self) -> str:
        return self.access.host

    def close(self) -> None:
        self._transport.close()

    def channel(
        self, command: str, deadline_s: float = CONNECT_S, *, terminal: bool = False
    ) -> paramiko.Channel:
        """Start `command` and return its channel; with `terminal`, on a pseudo-terminal of 80 × 24."""
        try:
            channel = self._transport.open_session(timeout=deadline_s)
            channel.settimeout(deadline_s)
            with _closing_after(deadline_s, channel):
                if terminal:
                    channel.get_pty("vt100", 80, 24)
                channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LabError(
                f"{self.host}: {command!r} could not be started over SSH: {_say(error)}."
            ) from error
        return channel

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        deadline_s: float = COMMAND_S,
        check: bool = True,
        keep: int = KEEP_BYTES,
    ) -> Completed:
        """Run `command` with the login shell and wait for its end; both streams are read side by side.

        Raises LabError when it takes longer than `deadline_s` seconds, when the connection is lost, or
        (with `check`) when it exits with another status than 0.
        """
        deadline = time.monotonic() + deadline_s
        channel = self.channel(command, min(deadline_s, CONNECT_S))
        out, err = Kept(keep), Kept(keep)
        try:
            converse(channel, stdin, out, err, deadline)
        except TimeoutError as error:
            raise LabError(
                f"{self.host}: {command!r} did not end within {deadline_s:g} s; "
                f"its last words: {last_words(err.last, out.last) or 'none'}."
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LabError(
                f"{self.host}: the SSH connection broke during {command!r}: {_say(error)}."
            ) from error
        finally:
            close_quietly(channel)
        status = channel.exit_status
        if status == -1:
            why = (
                "it ended without an exit status, as by a signal"
                if self._transport.is_active()
                else "it was lost"
            )
            words = last_words(err.last, out.last) or "none"
            raise LabError(
                f"{self.host}: the SSH connection told no end of {command!r}: {why}; last words: {words}."
            )
        completed = Completed(command, status, bytes(out.kept), bytes(err.kept))
        if check and status != 0:
            words = last_words(err.last, out.last) or "nothing said"
            raise LabError(f"{self.host}: {command!r} exited with {status}: {words}")
        return completed

    def sftp(self) -> paramiko.SFTPClient:
        """The connection's SFTP client, opened at the first use."""
        if self._sftp is None:
            try:
                channel = self._transport.open_session(timeout=CONNECT_S)
                with _closing_after(CONNECT_S, channel):
                    channel.invoke_subsystem("sftp")
                    self._sftp = paramiko.SFTPClient(channel)
                channel.settimeout(COMMAND_S)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise LabError(f"{self.host}: SFTP could not be opened: {_say(error)}.") from error
        return self._sftp

    def get(self, path: str, limit: int = KEEP_BYTES) -> bytes | None:
        """The content of a regular file up to `limit` bytes, or None where there is no such file."""
        try:
            if not stat.S_ISREG(self.sftp().lstat(path).st_mode or 0):
                return None
            with self.sftp().open(path, "rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LabError(f"{self.host}: {path} could not be read: {_say(error)}.") from error

    def put(self, path: str, content: bytes, *, mode: int, uid: int, gid: int) -> bool:
        """Make `path` hold `content` with this mode and owner; False if it already was exactly so.

        The file is written under a temporary name beside its place and renamed, so that nobody ever
        reads half of it. Raises LabError when the host does not take it.
        """
        sftp = self.sftp()
        try:
            if self._is_already(sftp, path, content, mode, uid, gid):
                return False
            folder, _, name = path.rpartition("/")
            temporary = f"{folder}/.{name}.{secrets.token_hex(4)}"
            try:
                with sftp.open(temporary, "wbx") as file:
                    file.write(content)  # not pipelined: that would drop the answers, "disk full" among them
                sftp.chown(temporary, uid, gid)
                sftp.chmod(temporary, mode)
                sftp.posix_rename(temporary, path)
            except BaseException:
                with contextlib.suppress(Exception):
                    sftp.remove(temporary)
                raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LabError(f"{self.host}: {path} could not be written: {_say(error)}.") from error
        return True

    @staticmethod
    def _is_already(
        sftp: paramiko.SFTPClient, path: str, content: bytes, mode: int, uid: int, gid: int
    ) -> bool:
        try:
            seen = sftp.lstat(path)
        except FileNotFoundError:
            return False
        asked = (stat.S_IFREG | mode, uid, gid, len(content))
        if (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size) != asked:
            return False
        with sftp.open(path, "rb") as file:
            return bool(file.read(len(content) + 1) == content)


def close_quietly(channel: paramiko.Channel) -> None:
    """Close `channel`; that its connection is gone by now is no news to anybody."""
    with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
        channel.close()


@contextlib.contextmanager
def _closing_after(seconds: float, channel: paramiko.Channel) -> Iterator[None]:
    """Close `channel` unless the block ends within `seconds`: paramiko waits for some answers without end."""
    timer = threading.Timer(seconds, close_quietly, [channel])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connect(access: Access, deadline_s: float) -> paramiko.Transport:
    """Connect, check the pinned host key, log in with the lab's key; LabError within `deadline_s` seconds."""
    where = access.socket_path or f"{access.address}:{access.port}"
    try:
        if access.socket_path is not None:
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(deadline_s)
            try:
                link.connect(access.socket_path)
            except OSError:
                link.close()
                raise
        else:
            assert access.address is not None
            link = socket.create_connection((access.address, access.port), deadline_s)
            _watch(link)
    except OSError as error:
        raise LabError(f"{access.host}: no SSH connection to {where}: {_say(error)}.") from error
    transport = paramiko.Transport(link)
    transport.banner_timeout = deadline_s
    transport.handshake_timeout = deadline_s
    transport.auth_timeout = deadline_s
    try:
        transport.start_client(timeout=deadline_s)
        key = transport.get_remote_server_key()
        if f"{key.get_name()} {key.get_base64()}" != " ".join(access.host_key.split()[:2]):
            raise LabError(
                f"{access.host}: another machine answers at {where}: "
                "its host key is not the one this lab made."
            )
        private = paramiko.Ed25519Key.from_private_key(io.StringIO(access.client_key))
        transport.auth_publickey(access.user, private)
    except (paramiko.SSHException, OSError, EOFError) as error:
        transport.close()
        raise LabError(f"{access.host}: SSH at {where} did not come up: {_say(error)}.") from error
    except LabError:
        transport.close()
        raise
    return transport


def _watch(link: socket.socket) -> None:
    """Have the kernel notice a machine that is gone without a word, within eight seconds or so (tcp(7))."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 4),
        (socket.TCP_KEEPINTVL, 1),
        (socket.TCP_KEEPCNT, 4),
        (socket.TCP_USER_TIMEOUT, 8_000),
    ):
        link.setsockopt(socket.IPPROTO_TCP, option, value)


def _say(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
