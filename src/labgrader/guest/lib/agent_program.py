"""The agent's operations on the student's program: start it afresh, watch it, read it, end it."""

import os
import select
import signal
import socket
import threading
import time

import agent_host
import confine
import handles
import kernelobjects
import places
import sockdiag
import socketbuffers
from pace import Pace

POLL_S = 0.001
MEMORY_POLL_S = 0.05
FIN_WAIT2, TIME_WAIT = 5, 6  # as /proc/net/tcp has them
ORPHANS_S = 1.0  # for the client's end to come through, and to make a TIME_WAIT of it


class Program:
    """One start of the student's program and what it printed; a thread reads, whatever happens."""

    def __init__(self, argv, user, cwd, environment, limits):
        self.user = user
        self.limits = limits
        self.output = bytearray()
        self.dropped = 0
        self.killed_for = None
        self.first_status = None  # of the process that was started
        self.status = None  # the same, once nothing that it started is left either
        self.condition = threading.Condition()
        kernelobjects.bound(limits["disk_mb"])
        places.restore(user)
        self.pid, self.master, self.status_pipe = confine.spawn(argv, user, cwd, environment, limits)
        self.uid = confine.pwd.getpwnam(user).pw_uid
        self.stopping = False
        self.wake_end, self.wake = os.pipe()  # closing it wakes the reader
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        poller = select.poll()
        poller.register(self.master, select.POLLIN | select.POLLHUP)
        poller.register(self.status_pipe, select.POLLIN | select.POLLHUP)
        poller.register(self.wake_end, select.POLLHUP)
        next_look = time.monotonic() + MEMORY_POLL_S
        while True:
            events = poller.poll(20)
            if self.stopping and not any(fd == self.master for fd, _ in events):
                break
            hung_up = False
            piece = b""
            if any(fd == self.master for fd, _ in events):
                try:
                    piece = os.read(self.master, 65536)
                except OSError:
                    pass
                if piece:
                    self._take(piece)
                hung_up = not piece
            if self.first_status is None and self._reap():
                poller.unregister(self.status_pipe)
            now = time.monotonic()
            if now >= next_look:
                self._weigh()
                # A tenth of the time at most: on a slow processor the program itself needs the rest.
                next_look = time.monotonic() + max(MEMORY_POLL_S, 9 * (time.monotonic() - now))
            if hung_up:
                # Nobody has the terminal open just now: all that was printed is here. A daemon of the
                # program's may still live, and open its terminal again.
                self._note_end()
                if self.status is not None or self.stopping:
                    break
                select.select([], [], [], 0.002)
        os.close(self.master)
        os.close(self.wake_end)

    def _take(self, piece):
        with self.condition:
            room = self.limits["output_kb"] * 1024 - len(self.output)
            self.output += piece[: max(0, room)]
            self.dropped += max(0, len(piece) - room)
            self.condition.notify_all()

    def _reap(self):
        """Take the program's exit status from its shell, if it is there; whether it was."""
        try:
            self.first_status = int(os.read(self.status_pipe, 16) or 0)
        except BlockingIOError:
            return False
        return True

    def _note_end(self):
        """It has ended when its first process has, and left nobody behind who might print or listen."""
        if self.first_status is not None and not confine.processes_of(self.uid):
            with self.condition:
                self.status = self.first_status
                self.condition.notify_all()

    def end_shell(self):
        """End the session that the program ran in; what it started has been ended before."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.status_pipe)

    def _weigh(self):
        confine.step_behind(self.uid)
        most_kb = self.limits["memory_mb"] * 1024
        held_kb = confine.memory_kb(self.uid) + kernelobjects.shared_kb(self.uid)
        if held_kb + socketbuffers.held_kb(most_kb) > most_kb:
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


def op_keep(path):
    """Keep a handed-in file as it is now: every start of the program finds it so; {}."""
    places.keep(path)
    return {}


def op_start(argv, user, cwd, environment, limits):
    """Start the student's program; {"program": handle}."""
    return {"program": handles.keep(Program(argv, user, cwd, environment, limits))}


def op_await_listening(program, port, timeout, addresses=None):
    """Wait until a socket of the program's user listens on TCP `port`, or the program ended, or time is up.

    Looks at the kernel's list, so that a server that serves one client only still has its one to serve.
    With `addresses` only a socket bound to one of these counts. {"listening": [sockets of the user],
    "there": whether it does, ...state}
    """
    started = handles.get(program)
    deadline = time.monotonic() + timeout
    pace = Pace(POLL_S)
    while True:
        ended = started.status is not None  # looked at first: what listened before its end is seen
        mine = [s for s in agent_host.listening() if s["uid"] == started.uid]
        there = any(
            s["port"] == port
            and s["proto"].startswith("tcp")
            and (addresses is None or s["address"] in addresses)
            for s in mine
        )
        if there or time.monotonic() > deadline or ended:
            return dict(started.state(), listening=mine, there=there)
        pace.rest()


def op_output(program, after, timeout):
    """What the program printed past byte `after`, as soon as there is some, it ended, or time is up."""
    started = handles.get(program)
    deadline = time.monotonic() + timeout
    with started.condition:
        while len(started.output) <= after and started.status is None:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            started.condition.wait(left)
        return dict(started.state(), output=bytes(started.output[after : after + 131072]).decode("latin-1"))


def _is_free(port):
    """Whether no socket at all uses TCP `port` any more, be it in TIME_WAIT: then anybody may bind it."""
    try:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                if family == socket.AF_INET6:
                    trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trial.bind((address, port))
    except OSError:
        return False
    return True


def _users_of(port):
    """The sockets that use TCP `port`, but for those in TIME_WAIT: a restart is judged by these."""
    return [
        s
        for s in agent_host.sockets()
        if s["port"] == port and s["proto"].startswith("tcp") and s["state"] != TIME_WAIT
    ]


def _but_orphans(port, lingering):
    """Forget the connections in FIN_WAIT2 that no program has any more, and leave them out.

    Their clients have ended, too, and said so; a packet was lost (it is sent once), or the program made the
    connection deaf to it. The kernel alone would keep the port from the next start for a minute.
    """
    orphans = [s for s in lingering if (s["state"], s["inode"]) == (FIN_WAIT2, 0)]
    if orphans:
        try:
            sockdiag.forget(port, FIN_WAIT2)
        except OSError:
            pass  # then the next start gets its port only if it sets SO_REUSEADDR
    return [s for s in lingering if s not in orphans]


def op_stop(program, port, timeout):
    """End the program and all that it left, and wait until its port is free.

    {"left": pids that could not be ended, "lingering": what still holds the port, ...state}
    """
    started = handles.get(program)
    before = started.state()
    survivors = confine.processes_of(started.uid)
    left = confine.kill_all(started.user, timeout)
    kernelobjects.remove_left(started.uid)
    started.stopping = True
    os.close(started.wake)
    started.reader.join(timeout)
    started.end_shell()
    now = time.monotonic()
    deadline, patience = now + timeout, now + ORPHANS_S
    pace = Pace(POLL_S)
    while True:
        lingering = [] if _is_free(port) else _users_of(port)
        if lingering and time.monotonic() > patience:
            lingering = _but_orphans(port, lingering)
        if not lingering or time.monotonic() > deadline:
            break
        pace.rest()
    handles.drop(program)
    with started.condition:
        tail = bytes(started.output[-16384:]).decode("latin-1")
    return dict(before, left=left, lingering=lingering, tail=tail, others=len(survivors))
