"""Running commands over SSH: both streams, deadlines, lost connections, and what is said about them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import paramiko
import pytest

from labgrader.errors import LabError
from labgrader.remote.keys import new_key
from labgrader.remote.transport import KEEP_BYTES, Connection
from tests.transport.ssh_server import SshServer, leave

MUCH = 3 << 20


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_much_on_one_stream_while_the_other_is_silent(
    server: SshServer, connection: Connection, stream: str
) -> None:
    said = bytes(range(256)) * (MUCH // 256)

    def speak(channel: paramiko.Channel) -> None:
        (channel.sendall if stream == "stdout" else channel.sendall_stderr)(said)
        channel.send_exit_status(7)

    server.commands["speak"] = speak

    done = connection.run("speak", check=False, deadline_s=60)

    loud, silent = (done.stdout, done.stderr) if stream == "stdout" else (done.stderr, done.stdout)
    assert done.exit == 7
    assert loud == said[:KEEP_BYTES]
    assert silent == b""


def test_both_streams_in_turns_and_the_cap_is_the_caller_s(server: SshServer, connection: Connection) -> None:
    def speak(channel: paramiko.Channel) -> None:
        for _ in range(40):
            channel.sendall(b"o" * 50_000)
            channel.sendall_stderr(b"e" * 50_000)
        channel.send_exit_status(0)

    server.commands["speak"] = speak

    done = connection.run("speak", keep=1000)

    assert (done.stdout, done.stderr) == (b"o" * 1000, b"e" * 1000)


@pytest.mark.parametrize("status", [0, 1, 127, 255])
def test_exit_status_is_the_command_s(server: SshServer, connection: Connection, status: int) -> None:
    server.commands["leave"] = leave(status, b"out", b"err")

    done = connection.run("leave", check=False)

    assert (done.exit, done.stdout, done.stderr) == (status, b"out", b"err")


def test_status_that_is_not_0_is_told_with_the_last_words(server: SshServer, connection: Connection) -> None:
    server.commands["leave"] = leave(255, b"something\n", b"one\ntwo\nthree\nfour\nno such zone\n")

    with pytest.raises(LabError) as caught:
        connection.run("leave")

    assert caught.value.message == "v0: 'leave' exited with 255: two / three / four / no such zone"


def test_command_ended_by_a_signal_has_no_status(server: SshServer, connection: Connection) -> None:
    def die(channel: paramiko.Channel) -> None:
        channel.sendall_stderr(b"about to fall\n")
        message = paramiko.Message()  # RFC 4254, 6.10
        message.add_byte(bytes([98]))
        message.add_int(channel.remote_chanid)
        message.add_string("exit-signal")
        message.add_boolean(False)
        message.add_string("SEGV")
        message.add_boolean(False)
        message.add_string("")
        message.add_string("")
        transport: Any = channel.transport
        transport._send_user_message(message)

    server.commands["die"] = die

    with pytest.raises(LabError, match=r"v0: .*'die'.*without an exit status, as by a signal.*about to fall"):
        connection.run("die", check=False)

    server.commands["leave"] = leave(0)
    assert connection.run("leave").exit == 0, "the connection is as good as before"


def test_silence_ends_at_the_deadline(server: SshServer, connection: Connection) -> None:
    def hang(channel: paramiko.Channel) -> None:
        channel.sendall_stderr(b"waiting for a lease\n")
        server.stopped.wait(30)

    server.commands["hang"] = hang
    begun = time.monotonic()

    with pytest.raises(LabError) as caught:
        connection.run("hang", deadline_s=0.5)

    assert 0.5 <= time.monotonic() - begun < 1.5
    assert caught.value.message == (
        "v0: 'hang' did not end within 0.5 s; its last words: waiting for a lease."
    )


def test_endless_output_ends_at_the_deadline(server: SshServer, connection: Connection) -> None:
    def speak(channel: paramiko.Channel) -> None:
        while not server.stopped.is_set():
            channel.sendall(b"y\n" * 20_000)

    server.commands["yes"] = speak
    begun = time.monotonic()

    with pytest.raises(LabError, match=r"v0: 'yes' did not end within 0\.5 s; its last words: y / y"):
        connection.run("yes", deadline_s=0.5)

    assert time.monotonic() - begun < 1.5


def test_daemon_that_keeps_the_streams_open_ends_at_the_deadline(
    server: SshServer, connection: Connection
) -> None:
    def fork(channel: paramiko.Channel) -> None:
        channel.send_exit_status(0)
        server.stopped.wait(30)

    server.commands["fork"] = fork
    before = time.thread_time()

    with pytest.raises(LabError, match=r"did not end within"):
        connection.run("fork", deadline_s=0.5)

    assert time.thread_time() - before < 0.25, "waiting must not keep a processor busy"


def test_command_that_nobody_starts_ends_at_the_deadline(server: SshServer, connection: Connection) -> None:
    begun = time.monotonic()

    with pytest.raises(LabError, match=r"v0: 'never answered' could not be started over SSH"):
        connection.run("never answered", deadline_s=0.5)

    assert time.monotonic() - begun < 1.5


def test_command_that_the_host_refuses(connection: Connection) -> None:
    with pytest.raises(LabError, match=r"v0: 'unheard of' could not be started over SSH"):
        connection.run("unheard of")


def test_standard_input_is_fed_while_the_output_is_read(server: SshServer, connection: Connection) -> None:
    def cat(channel: paramiko.Channel) -> None:
        while piece := channel.recv(65536):
            channel.sendall(piece)
        channel.send_exit_status(0)

    server.commands["cat"] = cat
    said = b"0123456789abcdef" * (5 << 16)

    assert connection.run("cat", stdin=said, keep=len(said), deadline_s=60).stdout == said
    assert connection.run("cat").stdout == b"", "an empty standard input is at its end at once"


@pytest.mark.parametrize("status", [0, 3])
def test_command_that_exits_before_its_input_was_read(
    server: SshServer, connection: Connection, status: int
) -> None:
    server.commands["leave"] = leave(status, b"did not need it")

    done = connection.run("leave", stdin=b"x" * MUCH, check=False, deadline_s=30)

    assert (done.exit, done.stdout) == (status, b"did not need it")


def test_connection_lost_in_mid_command(server: SshServer, connection: Connection) -> None:
    def fall(channel: paramiko.Channel) -> None:
        channel.sendall(b"half of the answer\n")
        server.cut()

    server.commands["fall"] = fall
    begun = time.monotonic()

    with pytest.raises(LabError, match=r"v0: the SSH connection .*'fall'"):
        connection.run("fall", deadline_s=30)

    assert time.monotonic() - begun < 5, "it must not wait for the deadline"
    with pytest.raises(LabError, match=r"v0: 'fall' could not be started over SSH"):
        connection.run("fall")


def test_many_commands_at_once_on_one_connection(server: SshServer, connection: Connection) -> None:
    for number in range(20):
        server.commands[f"say {number}"] = leave(number, str(number).encode() * 10_000)
    seen: dict[int, tuple[int, bytes]] = {}

    def ask(number: int) -> None:
        done = connection.run(f"say {number}", check=False)
        seen[number] = (done.exit, done.stdout)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert seen == {number: (number, str(number).encode() * 10_000) for number in range(20)}


def test_wrong_host_key_ends_it_before_anything_is_sent(server: SshServer) -> None:
    access = server.access
    other = replace(access, host_key=new_key().public)

    with pytest.raises(LabError, match=r"v0: another machine answers at .*host.sock"):
        Connection(other)

    assert server.asked == [], "neither a user nor a key may be told to a stranger"


def test_refused_key(server: SshServer) -> None:
    access = server.access
    other = replace(access, client_key=new_key().private)

    with pytest.raises(LabError, match=r"v0: SSH at .*host.sock did not come up: Authentication failed"):
        Connection(other)

    assert not [item for item in server.asked if not item.startswith(("publickey root", "auths root"))]


def _raw(server: SshServer, act: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    path = server.path + ".raw"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def accept() -> None:
        link, _ = listener.accept()
        with link:
            act(link)

    threading.Thread(target=accept, daemon=True).start()
    return listener, path


@pytest.mark.parametrize("banner", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"SSH-2.0-half"])
def test_host_that_closes_in_place_of_a_banner(server: SshServer, banner: bytes) -> None:
    listener, path = _raw(server, lambda link: link.sendall(banner))
    access = replace(server.access, socket_path=path)
    begun = time.monotonic()
    with listener, pytest.raises(LabError, match=r"v0: SSH at .*raw did not come up"):
        Connection(access, deadline_s=2.0)
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize(
    "banner", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["no banner", "a banner and no more"]
)
def test_host_that_says_nothing(server: SshServer, banner: bytes) -> None:
    def hang(link: socket.socket) -> None:
        link.sendall(banner)
        server.stopped.wait(30)

    listener, path = _raw(server, hang)
    access = replace(server.access, socket_path=path)
    begun = time.monotonic()
    with listener, pytest.raises(LabError, match=r"v0: SSH at .*raw did not come up"):
        Connection(access, deadline_s=1.0)
    assert time.monotonic() - begun < 2.0


def test_socket_that_is_not_there(server: SshServer) -> None:
    access = replace(server.access, socket_path=server.path + ".gone")
    with pytest.raises(LabError, match=r"v0: no SSH connection to .*gone: .*No such file"):
        Connection(access)


def test_over_tcp_just_as_well(server: SshServer) -> None:
    """A host that has an address instead of a socket: the same server behind a port of the loopback."""
    server.commands["leave"] = leave(0, b"by TCP")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def relay() -> None:
            outside, _ = listener.accept()
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(server.path)
            with outside, inside:
                other = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
                other.start()
                _copy(inside, outside)
                other.join(10)

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        access = replace(server.access, socket_path=None, address="127.0.0.1", port=port)
        with Connection(access) as connection:
            assert connection.run("leave").stdout == b"by TCP"
        thread.join(10)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
