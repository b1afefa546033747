"""Starting a student's program: an ordinary user, a pseudo-terminal, limits and a filter that it cannot lift.

Runs as root on the student's host (Python 3.6 syntax, standard library only). Facts: setrlimit(2),
prctl(2), kill(2) ("-1": every process that the caller may signal).
"""

import ctypes
import errno
import fcntl
import os
import pwd
import resource
import signal
import struct
import termios
import time

import capabilities
import seccomp
from pace import Pace

PR_SET_NO_NEW_PRIVS = 38
CROWD = 16
FEW = 4
READINGS = 50
_libc = ctypes.CDLL(None, use_errno=True)


def spawn(argv, user, cwd, environment, limits):
    """Start `argv` as `user` on a new pseudo-terminal; return (pid of its shell, master, status pipe).

    As on a terminal that a person sits at, the program is not the leader of its session: a stand-in for
    the shell is, which stays when the program ends, so that the terminal is not hung up on what the program
    left in the background. It writes the program's wait status to the pipe, as a decimal number.
    `limits`: processes, memory_mb, cpu_s, disk_mb, open_files. Raises OSError when the program could not
    be started at all, which is never the student's doing.
    """
    account = pwd.getpwnam(user)
    master, slave = os.openpty()
    # Wide, so that no terminal-aware library wraps what it prints; and no echo, so that what is seen
    # is the program's own.
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~termios.ECHO
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    # The program may look itself up under /dev/pts: let it own its terminal.
    os.fchown(slave, account.pw_uid, account.pw_gid)
    fence = seccomp.assemble()
    # Closed by a successful exec; a sentence on it says that there was none.
    trouble, told = os.pipe()
    status, written = os.pipe()
    shell = os.fork()
    if shell == 0:
        try:
            _shell(slave, told, written, (argv, account, cwd, environment, limits, fence))
        finally:
            os._exit(127)
    for fd in (slave, told, written):
        os.close(fd)
    words = os.read(trouble, 500)
    os.close(trouble)
    if words:
        os.close(master)
        os.close(status)
        os.kill(shell, signal.SIGKILL)
        os.waitpid(shell, 0)
        raise OSError("%s could not be started: %s" % (argv[0], words.decode("utf-8", "replace")))
    os.set_blocking(master, False)
    os.set_blocking(status, False)
    return shell, master, status


def _shell(slave, told, written, program):
    """Lead the session: start the program in the foreground, tell its status, wait to be ended."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (
        signal.SIGTTOU,
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGTERM,
    ):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        try:
            _program(slave, told, *program)
        finally:
            os._exit(127)
    for fd in range(1024):
        if fd != written:
            try:
                os.close(fd)
            except OSError:
                pass
    _pid, status = os.waitpid(child, 0)
    os.write(written, str(status).encode())
    os.close(written)
    while True:
        signal.pause()


def _program(slave, told, argv, account, cwd, environment, limits, fence):
    """In the program's process: take the terminal's foreground, become the user, and exec."""
    told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, 64)
    try:
        os.setpgid(0, 0)
        os.tcsetpgrp(slave, os.getpid())
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.closerange(3, told)
        os.closerange(told + 1, 1024)
        # Before it becomes the user, who may have closed his home to himself.
        os.chdir(cwd)
        _become(account, limits, fence)
        os.execvpe(argv[0], argv, environment)
    except BaseException as error:
        os.write(told, str(error).encode("utf-8", "replace")[:500])


def _become(account, limits, fence):
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    memory = limits["memory_mb"] * 1024 * 1024
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        # One process may map more than all may keep: Python's threads reserve what they never touch.
        (resource.RLIMIT_AS, memory * 4 + 512 * 1024 * 1024),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, limits["disk_mb"] * 1024 * 1024),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_MEMLOCK, 65536),
        (resource.RLIMIT_MSGQUEUE, 65536),
        # Counted for whoever made the lab's namespaces, too (see kernelobjects.spare_the_grader).
        (resource.RLIMIT_SIGPENDING, 256),
    ):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
    try:
        # The first to go when the machine runs short, before anything of ours.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    os.nice(5)
    os.umask(0o022)
    capabilities.bound()
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    capabilities.drop_all()
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    seccomp.install(fence)


def processes_of(uid):
    """The pids of the living processes of `uid`, zombies left out.

    A reading of /proc takes a while: a process that was listed may fork and end before it is looked at, and
    its child is then in neither place. So an empty reading counts only when nobody went away during it.
    """
    for _reading in range(READINGS):
        found, steady = _read_processes(uid)
        if found or steady:
            break
    return found


def _read_processes(uid):
    """One reading of /proc: (the pids found, whether none went away meanwhile)."""
    found = []
    steady = True
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat("/proc/" + name).st_uid != uid:
                # A process that is not dumpable shows as root's; its status tells the truth.
                with open("/proc/%s/status" % name) as file:
                    text = file.read()
                line = [item for item in text.splitlines() if item.startswith("Uid:")]
                if not line or int(line[0].split()[1]) != uid:
                    continue
            with open("/proc/%s/stat" % name) as file:
                state = file.read().rpartition(")")[2].split()[0]
            if state in ("Z", "X"):
                steady = False
            else:
                found.append(int(name))
        except (OSError, ValueError, IndexError):
            steady = False
    return found, steady


def kill_all(user, deadline_s):
    """End every process of `user`; return the pids still there at the deadline (none, if all is well).

    A child that becomes the user sends SIGKILL to -1: the kernel signals all of them in one go, so that
    not even a fork bomb gets ahead.
    """
    account = pwd.getpwnam(user)
    deadline = time.monotonic() + deadline_s
    few = True
    pace = Pace(0.0005)
    while True:
        left = processes_of(account.pw_uid)
        if not left or time.monotonic() > deadline:
            return left
        if few and len(left) <= FEW:
            # What an ordinary program leaves; should it have forked meanwhile, the next round sees it.
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            _kill_as(account)
        few = False
        pace.rest()


def _kill_as(account):
    """Have a child that becomes the user send SIGKILL to all that he may signal, and wait for it."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    try:
        os.waitpid(pid, 0)
    except OSError as error:
        if error.errno != errno.ECHILD:
            raise


def step_behind(uid):
    """Let a crowd of processes of `uid` run only when nothing else wants to; a few keep their turn.

    Each of a host's processes gets its share of the host's processor time, and this agent is one of them.
    """
    if len(processes_of(uid)) > CROWD:
        try:
            os.setpriority(os.PRIO_USER, uid, 19)
        except OSError:
            pass  # all of them have ended meanwhile


def memory_kb(uid):
    """Resident memory of all the user's processes together, in KiB; shared pages are counted once each."""
    total = 0
    for pid in processes_of(uid):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        except (OSError, ValueError):
            continue
    return total
