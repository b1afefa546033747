"""The process between the grader and Vagrant: runs it, and ends it in order when told to, or when alone.

A program of its own, with the standard library alone: `keeper.py GRADER INTERRUPT_S TERMINATE_S COMMAND…`.
It keeps a process group for the command, and exits as the command does (128 and the signal's number after
a signal). On SIGTERM, which it also gets when the grader's thread that started it is gone, however it went
(prctl(2), PR_SET_PDEATHSIG), it interrupts the group as Ctrl-C does, so that Vagrant cleans up; then comes
SIGTERM, then SIGKILL. Should the keeper itself be killed, the command is interrupted all the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
NOT_STARTED = 127
WATCHED = {signal.SIGTERM, signal.SIGCHLD}


def main(grader: int, interrupt_s: float, terminate_s: float, command: list[str]) -> int:
    """Run `command` in a process group of its own until it ends or must end; its exit status."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    _ask_for(signal.SIGTERM)
    if os.getppid() != grader:
        return NOT_STARTED
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, keeper, before)
    try:
        os.setpgid(child, child)
    except OSError:
        pass  # it did so itself, and may be through with execve(2) or ended already
    while not _ended(child):
        if signal.sigwait(WATCHED) == signal.SIGTERM:
            _end(child, interrupt_s, terminate_s)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(command: list[str], keeper: int, mask: set[int]) -> None:
    try:
        os.setpgid(0, 0)
        _ask_for(signal.SIGINT)
        if os.getppid() == keeper:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number in (signal.SIGINT, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _end(child: int, interrupt_s: float, terminate_s: float) -> None:
    """End the group step by step; what is left of it when the command has ended is killed."""
    for number, seconds in ((signal.SIGINT, interrupt_s), (signal.SIGTERM, terminate_s)):
        _tell(child, number)
        _tell(child, signal.SIGCONT)  # a stopped one could not obey
        deadline = time.monotonic() + seconds
        while not _ended(child) and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left)
        if _ended(child):
            break
    _tell(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def _ended(child: int) -> bool:
    # Not reaped yet, so that the group's number stays its own.
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _tell(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        pass  # nobody is left in it


def _ask_for(number: int) -> None:
    """Have the kernel send this process a signal as soon as its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


if __name__ == "__main__":
    status = main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    # A signal's number comes negative; a shell tells it so.
    os._exit(status if status >= 0 else 128 - status)
