"""The grader's hands on a lab host: one JSON line in, one JSON line out, over an SSH channel.

Runs as root on every host (Python 3.6 syntax, standard library only), started by the grader, never by
the student. A request is {"id": n, "op": name, ...}; the answer {"id": n, ...} or {"id": n, "broken":
sentence} when the agent itself failed. Requests run side by side, one thread each. Bytes travel as
latin-1 text. It sends and receives bytes and starts programs; it judges nothing.
"""

import errno
import fcntl
import json
import os
import pwd
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import confine
import kernelobjects

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
POLL_S = 0.003
MEMORY_POLL_S = 0.05

_write_lock = threading.Lock()
_handles = {}
_handle_lock = threading.Lock()
_next_handle = [1]


def _keep(thing):
    with _handle_lock:
        number = _next_handle[0]
        _next_handle[0] += 1
        _handles[number] = thing
    return number


def _why(error):
    if isinstance(error, socket.timeout):
        return "timeout"
    return REFUSED.get(error.errno, os.strerror(error.errno) if error.errno else str(error))


# --- TCP and UDP as a client -------------------------------------------------------------------


def op_connect(address, port, timeout, source=None):
    """Open a TCP connection; {"conn", "local": [address, port]} or {"failed": reason}."""
    try:
        connection = socket.create_connection(
            (address, port), timeout, source_address=(source, 0) if source else None
        )
    except OSError as error:
        return {"failed": _why(error)}
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return {"conn": _keep(connection), "local": list(connection.getsockname()[:2])}


def op_send(conn, data, timeout):
    """Send bytes and wait until the other machine has acknowledged them all; {} or {"failed": reason}."""
    connection = _handles[conn]
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
    connection = _handles[conn]
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
    connection = _handles[conn]
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
    with _handle_lock:
        connection = _handles.pop(conn, None)
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
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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


# --- looking at this host ----------------------------------------------------------------------


def op_sockets():
    """The sockets of this network namespace: [{"proto", "address", "port", "state", "uid"}] (proc_net(5))."""
    return {"sockets": _sockets()}


def _sockets():
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open("/proc/net/" + name) as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, port = fields[1].split(":")
            found.append(
                {
                    "proto": name,
                    "address": _address(address),
                    "port": int(port, 16),
                    "state": int(fields[3], 16),
                    "uid": int(fields[7]),
                    "inode": int(fields[9]),
                }
            )
    return found


def _address(text):
    raw = b"".join(struct.pack("=I", int(text[i : i + 8], 16)) for i in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def op_run(argv, timeout, stdin="", most=262144):
    """Run one command of the grader's; {"exit", "stdout", "stderr"}, or {"failed": "timeout"}."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=os.setsid,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"},
    )
    try:
        out, err = process.communicate(stdin.encode("latin-1"), timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"failed": "timeout"}
    return {
        "exit": process.returncode,
        "stdout": out[:most].decode("latin-1"),
        "stderr": err[:most].decode("latin-1"),
    }


def op_account(name):
    """The ids of an account of this host; {"uid", "gid"} or {"failed"}."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return {"failed": "no such account"}
    return {"uid": entry.pw_uid, "gid": entry.pw_gid}


def op_read(path, most=262144):
    """The first bytes of a regular file; {"data"} or {"failed"}."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            return {"data": file.read(most).decode("latin-1")}
    except OSError as error:
        return {"failed": _why(error)}


def op_capture(interface, most=2000):
    """Begin to record the IPv4 frames that pass `interface`, both ways; {"capture": handle}."""
    # Every protocol, for only then does the kernel show a tap what this host itself sends (packet(7)).
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    tap.bind((interface, 0x0003))
    tap.setblocking(False)
    return {"capture": _keep({"tap": tap, "frames": [], "most": most})}


def op_captured(capture, stop=True):
    """The frames so far: [bytes]. All that passed before the question are in it: the kernel queued them."""
    record = _handles[capture]
    while len(record["frames"]) < record["most"]:
        try:
            frame = record["tap"].recv(2048)
        except OSError:
            break
        if frame[12:14] == b"\x08\x00":
            record["frames"].append(frame.decode("latin-1"))
    if stop:
        record["tap"].close()
        with _handle_lock:
            _handles.pop(capture, None)
    return {"frames": record["frames"]}


# --- the student's program ---------------------------------------------------------------------


class Program:
    """One start of the student's program and what it printed; a thread reads, whatever happens."""

    def __init__(self, argv, user, cwd, environment, limits):
        self.user = user
        self.limits = limits
        self.output = bytearray()
        self.dropped = 0
        self.killed_for = None
        self.status = None
        self.condition = threading.Condition()
        kernelobjects.bound(limits["disk_mb"])
        self.pid, self.master = confine.spawn(argv, user, cwd, environment, limits)
        self.uid = confine.pwd.getpwnam(user).pw_uid
        self.stopping = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        poller = select.poll()
        poller.register(self.master, select.POLLIN | select.POLLHUP)
        next_look = time.monotonic() + MEMORY_POLL_S
        while True:
            events = poller.poll(20)
            if self.stopping and not events:
                break
            hung_up = False
            piece = b""
            if events:
                try:
                    piece = os.read(self.master, 65536)
                except OSError:
                    pass
                if piece:
                    self._take(piece)
                hung_up = not piece
            if not piece:
                # Only now: whoever hears that the program ended may rely on having all it printed.
                self._reap()
            if time.monotonic() >= next_look:
                self._weigh()
                next_look = time.monotonic() + MEMORY_POLL_S
            if hung_up:
                # Nobody has the terminal open just now; a daemon of the program's may still live.
                if self.status is not None or self.stopping:
                    break
                select.select([], [], [], 0.005)
        os.close(self.master)

    def _take(self, piece):
        with self.condition:
            room = self.limits["output_kb"] * 1024 - len(self.output)
            self.output += piece[: max(0, room)]
            self.dropped += max(0, len(piece) - room)
            self.condition.notify_all()

    def _reap(self):
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except OSError:
                pid, status = self.pid, 0
            if pid:
                with self.condition:
                    self.status = status
                    self.condition.notify_all()

    def _weigh(self):
        confine.step_behind(self.uid)
        if confine.memory_kb(self.uid) + kernelobjects.shared_kb(self.uid) > self.limits["memory_mb"] * 1024:
            self.killed_for = "memory"
            confine.kill_all(self.user, 2.0)
            kernelobjects.remove_left(self.uid)

    def state(self):
        ended = None
        if self.status is not None:
            ended = (
                {"signal": os.WTERMSIG(self.status)}
                if os.WIFSIGNALED(self.status)
                else {"exit": os.WEXITSTATUS(self.status)}
            )
        return {
            "ended": ended,
            "length": len(self.output),
            "dropped": self.dropped,
            "killed_for": self.killed_for,
        }


def op_start(argv, user, cwd, environment, limits):
    """Start the student's program; {"program": handle}."""
    return {"program": _keep(Program(argv, user, cwd, environment, limits))}


def op_await_listening(program, port, timeout):
    """Wait until a socket of the program's user listens on TCP `port`, or the program ended, or time is up.

    Looks at the kernel's list, so that a server that serves one client only still has its one to serve.
    {"listening": [sockets of the user], ...state}
    """
    started = _handles[program]
    deadline = time.monotonic() + timeout
    while True:
        ended = started.status is not None
        mine = [s for s in _sockets() if s["uid"] == started.uid and _open(s)]
        there = any(s["port"] == port and s["proto"].startswith("tcp") for s in mine)
        if there or time.monotonic() > deadline or (ended and not confine.processes_of(started.uid)):
            return dict(started.state(), listening=mine, there=there)
        time.sleep(POLL_S)


def _open(entry):
    # Listening TCP is state 10; an unconnected UDP socket is state 7 (linux/tcp_states.h).
    return entry["state"] == (10 if entry["proto"].startswith("tcp") else 7)


def op_output(program, after, timeout):
    """What the program printed past byte `after`, as soon as there is some, it ended, or time is up."""
    started = _handles[program]
    deadline = time.monotonic() + timeout
    with started.condition:
        while len(started.output) <= after and started.status is None:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            started.condition.wait(left)
        return dict(started.state(), output=bytes(started.output[after : after + 131072]).decode("latin-1"))


def op_stop(program, port, timeout):
    """End the program and all that it left, and wait until its port is free.

    {"left": pids that could not be ended, "lingering": what still holds the port, ...state}
    """
    started = _handles[program]
    before = started.state()
    survivors = [p for p in confine.processes_of(started.uid) if p != started.pid]
    left = confine.kill_all(started.user, timeout)
    kernelobjects.remove_left(started.uid)
    started.stopping = True
    started.reader.join(timeout)
    deadline = time.monotonic() + timeout
    while True:
        lingering = [
            s for s in _sockets() if s["port"] == port and s["proto"].startswith("tcp") and s["state"] != 6
        ]
        if not lingering or time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    with _handle_lock:
        _handles.pop(program, None)
    with started.condition:
        tail = bytes(started.output[-16384:]).decode("latin-1")
    return dict(before, left=left, lingering=lingering, tail=tail, others=len(survivors))


OPERATIONS = {name[3:]: function for name, function in globals().items() if name.startswith("op_")}


def answer(request):
    """Run one request and write its answer."""
    number = request.pop("id", None)
    name = request.pop("op", "")
    try:
        reply = OPERATIONS[name](**request)
    except BaseException as error:  # told to the grader, who makes it an error of ours
        reply = {"broken": "%s: %s: %s" % (name, type(error).__name__, error)}
    reply["id"] = number
    line = json.dumps(reply) + "\n"
    with _write_lock:
        sys.stdout.write(line)
        sys.stdout.flush()


def main():
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
