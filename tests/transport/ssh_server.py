"""A real SSH server in this process, on a Unix socket: what a command does is a function of the test's."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, MSG_CHANNEL_SUCCESS, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_OK

from labgrader.remote.access import Access
from labgrader.remote.keys import KeyPair, new_key

Command = Callable[[paramiko.Channel], None]


@dataclass
class SshServer:
    """One host's SSH server. `commands` maps a command line to what it does with its channel."""

    folder: Path
    commands: dict[str, Command] = field(default_factory=dict)
    host_key: KeyPair = field(default_factory=new_key)
    client_key: KeyPair = field(default_factory=new_key)
    files: type[Files] | None = None
    asked: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = str(self.folder / "host.sock")
        self.held_back: dict[int, threading.Thread] = {}
        self.stopped = threading.Event()  # for commands that only wait
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def access(self) -> Access:
        return Access("v0", "root", self.host_key.public, self.client_key.private, socket_path=self.path)

    def _accept(self) -> None:
        private = paramiko.Ed25519Key.from_private_key(io.StringIO(self.host_key.private))
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(link)
            transport.add_server_key(private)
            if self.files is not None:
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self.files)
            self.transports.append(transport)
            _hold_back(transport, self.held_back)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(event=threading.Event(), server=_Door(self))

    def cut(self) -> None:
        """Break every connection off, as a host does that loses power."""
        for transport in self.transports:
            transport.close()

    def close(self) -> None:
        self.stopped.set()
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for transport in self.transports:
            transport.join(10)


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SshServer) -> None:
        self.server = server

    def get_allowed_auths(self, username: str) -> str:
        self.server.asked.append(f"auths {username}")
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.asked.append(f"publickey {username}")
        wanted = self.server.client_key.public.split()[1]
        return AUTH_SUCCESSFUL if key.get_base64() == wanted else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.server.asked.append(f"password {username}")
        return AUTH_FAILED

    def check_auth_none(self, username: str) -> int:
        self.server.asked.append(f"none {username}")
        return AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text = command.decode()
        self.server.asked.append(f"exec {text}")
        if text == "never answered":
            self.server.stopped.wait(30)
        action = self.server.commands.get(text)
        if action is None:
            return False
        thread = threading.Thread(target=_run, args=(action, channel), daemon=True)
        self.server.held_back[channel.remote_chanid] = thread
        return True


def _hold_back(transport: Any, held_back: dict[int, threading.Thread]) -> None:
    """Have a command begin when the client was told that it does, as in any other server."""
    send = transport._send_user_message

    def send_and_begin(message: paramiko.Message) -> None:
        send(message)
        raw = message.asbytes()
        if raw[0] == MSG_CHANNEL_SUCCESS and (thread := held_back.pop(int.from_bytes(raw[1:5], "big"), None)):
            thread.start()

    transport._send_user_message = send_and_begin


def _run(action: Command, channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
        action(channel)


def leave(status: int, stdout: bytes = b"", stderr: bytes = b"") -> Command:
    """A command that says something and exits with `status`, without reading its standard input."""

    def act(channel: paramiko.Channel) -> None:
        channel.sendall(stdout)
        channel.sendall_stderr(stderr)
        channel.send_exit_status(status)

    return act


class Files(paramiko.SFTPServerInterface):
    """The real file system, through SFTP; a subclass may fail where a test wants it to."""

    written: list[str]

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or errno.EIO)
        mode = "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
        handle = paramiko.SFTPHandle(flags)
        file = os.fdopen(descriptor, mode, buffering=0)
        handle.readfile = file  # type: ignore[attr-defined]
        handle.writefile = file  # type: ignore[attr-defined]
        return handle

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(os.lstat(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or errno.EIO)

    stat = lstat

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        try:
            paramiko.SFTPServer.set_file_attr(path, attr)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or errno.EIO)
        return SFTP_OK

    def remove(self, path: str) -> int:
        os.unlink(path)
        return SFTP_OK

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        os.replace(oldpath, newpath)
        return SFTP_OK
