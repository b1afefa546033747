"""The agent's operations on the network: TCP and UDP as a client, ping, a control listener, captures."""

import errno
import fcntl
import os
import socket
import struct
import subprocess
import termios
import threading
import time

import handles

REFUSED = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EADDRNOTAVAIL: "no-address",
}


def _why(error):
    if isinstance(error, socket.timeout):
        return "timeout"
    return REFUSED.get(error.errno, os.strerror(error.errno) if error.errno else str(error))


def op_connect(address, port, timeout, source=None):
    """Open a TCP connection; {"conn", "local": [address, port]} or {"failed": reason}."""
    try:
        connection = socket.create_connection(
            (address, port), timeout, source_address=(source, 0) if source else None
        )
    except OSError as error:
        return {"failed": _why(error)}
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return {"conn": handles.keep(connection), "local": list(connection.getsockname()[:2])}


def op_send(conn, data, timeout):
    """Send bytes and wait until the other machine has acknowledged them all; {} or {"failed": reason}."""
    connection = handles.get(conn)
    connection.settimeout(timeout)
    deadline = time.monotonic() + timeout
    try:
        connection.sendall(data.encode("latin-1"))
        # TIOCOUTQ on a TCP socket: bytes sent and not yet acknowledged (tcp(7), SIOCOUTQ).
        while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"0000"))[0]:
            problem = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                raise OSError(problem, os.strerror(problem))
            if time.monotonic() > deadline:
                return {"failed": "timeout"}
            time.sleep(0.0005)
    except OSError as error:
        return {"failed": _why(error)}
    return {}


def op_receive(conn, timeout, until=None, at_least=1, most=65536):
    """Read until `until` (text) or end of stream or `at_least` bytes or `timeout` seconds have passed.

    {"data", "end": None | "closed" | "reset" | "timeout" | "most"}; "closed" is an orderly end of stream.
    """
    connection = handles.get(conn)
    deadline = time.monotonic() + timeout
    data = b""
    end = None
    while end is None:
        if until is not None and until.encode("latin-1") in data:
            break
        if until is None and at_least and len(data) >= at_least:
            break
        if len(data) >= most:
            end = "most"
            break
        left = deadline - time.monotonic()
        if left <= 0:
            end = "timeout"
            break
        connection.settimeout(left)
        try:
            piece = connection.recv(min(65536, most - len(data)))
        except OSError as error:
            end = _why(error)
            continue
        if not piece:
            end = "closed"
        data += piece
    return {"data": data.decode("latin-1"), "end": end}


def op_drain(conn, timeout):
    """Read and drop until the stream ends or `timeout` seconds have passed.

    {"bytes": how many, "head": the first of them, "end": "closed" | "reset" | "timeout", "seconds"}
    """
    connection = handles.get(conn)
    started = time.monotonic()
    count = 0
    head = b""
    end = None
    while end is None:
        left = started + timeout - time.monotonic()
        if left <= 0:
            end = "timeout"
            break
        connection.settimeout(left)
        try:
            piece = connection.recv(65536)
        except OSError as error:
            end = _why(error)
            continue
        if not piece:
            end = "closed"
        count += len(piece)
        head = (head + piece)[:1024]
    seconds = time.monotonic() - started
    return {"bytes": count, "head": head.decode("latin-1"), "end": end, "seconds": seconds}


def op_close(conn, reset=False):
    """Close a connection; with `reset`, by RST, which leaves no TIME_WAIT on the other side."""
    connection = handles.drop(conn)
    if connection is not None:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    return {}


def op_udp(address, port, data, timeout, source=None):
    """Send one datagram, wait for one answer from the address asked: {"data", "from"} or {"failed"}."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        if source:
            client.bind((source, 0))
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            client.send(data.encode("latin-1"))
            answer = client.recv(65535)
        except OSError as error:
            return {"failed": _why(error)}
    return {"data": answer.decode("latin-1")}


def op_ping(address, timeout, source=None):
    """One ICMP echo at a time until one is answered or `timeout` has passed; {"answered", "output"}."""
    deadline = time.monotonic() + timeout
    output = ""
    while True:
        argv = ["ping", "-n", "-c", "1", "-W", "1"] + (["-I", source] if source else []) + [address]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = done.stdout.decode("utf-8", "replace")
        if done.returncode == 0 or time.monotonic() > deadline:
            return {"answered": done.returncode == 0, "output": output[-2000:]}


def op_serve_word(address, port, timeout):
    """Listen for `timeout` seconds and greet every client with a random word: a control for a vantage point.

    Every client, so that a program on this host that comes first takes nothing from the grader.
    """
    word = os.urandom(8).hex()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        return {"failed": _why(error)}
    deadline = time.monotonic() + timeout

    def greet():
        with listener:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                listener.settimeout(left)
                try:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(1)
                        connection.sendall(word.encode())
                except OSError:
                    continue

    threading.Thread(target=greet, daemon=True).start()
    return {"word": word, "port": listener.getsockname()[1]}


def op_capture(interface, most=2000):
    """Begin to record the IPv4 frames that pass `interface`, both ways; {"capture": handle}."""
    # Every protocol, for only then does the kernel show a tap what this host itself sends (packet(7)).
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    tap.bind((interface, 0x0003))
    tap.setblocking(False)
    return {"capture": handles.keep({"tap": tap, "frames": [], "most": most})}


def op_captured(capture, stop=True):
    """The frames so far: [bytes]. All that passed before the question are in it: the kernel queued them."""
    record = handles.get(capture)
    while len(record["frames"]) < record["most"]:
        try:
            frame = record["tap"].recv(2048)
        except OSError:
            break
        if frame[12:14] == b"\x08\x00":
            record["frames"].append(frame.decode("latin-1"))
    if stop:
        record["tap"].close()
        handles.drop(capture)
    return {"frames": record["frames"]}
