"""The session's process: forked by the grader, held by two pipes, and ended with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1


@dataclass
class SessionProcess:
    """The session's process, its lease pipe and its event pipe."""

    pid: int
    lease_fd: int
    event_fd: int
    ended: bool = False

    def hand_over(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.lease_fd, text.encode())

    def lines(self, deadline: float) -> Iterator[bytes]:
        """Event lines until the session closes its end; TimeoutError at the deadline."""
        buffer = b""
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.event_fd], [], [], left)[0]:
                raise TimeoutError
            piece = os.read(self.event_fd, 1 << 16)
            if not piece:
                return
            buffer += piece
            *lines, buffer = buffer.split(b"\n")
            yield from lines

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            os.close(self.lease_fd)
            os.close(self.event_fd)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def start(run: Callable[[int, int], None], log_fd: int) -> SessionProcess:
    """Fork a process that calls `run(lease_fd, event_fd)`, prints to `log_fd`, and dies with this one."""
    lease_read, lease_write = os.pipe()
    event_read, event_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A Ctrl-C must not find the child before it has said that it is the grader's matter.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(lease_read)
        os.close(event_write)
        return SessionProcess(pid, lease_write, event_read)
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader ends us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(lease_write)
        os.close(event_read)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        run(lease_read, event_write)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)
