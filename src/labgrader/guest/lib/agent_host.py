"""The agent's operations on its own host: its sockets, its accounts, its files, commands of the grader's."""

import os
import pwd
import signal
import socket
import struct
import subprocess
import time

import clock
import sockdiag


def op_sockets():
    """The listening sockets of this network namespace: [{"proto", "address", "port", "state", "uid"}]."""
    return {"sockets": listening()}


def listening():
    """Listening TCP and unconnected UDP sockets, both families; from /proc where netlink has no answer."""
    try:
        return sockdiag.listening()
    except OSError:
        return [s for s in sockets() if s["state"] == (10 if s["proto"].startswith("tcp") else 7)]


def sockets():
    """Every TCP and UDP socket in whatever state, both families (proc_net(5)); slow, see sockdiag."""
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
        start_new_session=True,
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
        return {"failed": os.strerror(error.errno or 0)}


def op_clock(moment):
    """Set the clock of the daemons under test: local time as "2026-03-02T09:00:00", None for the true one.

    As labgrader-clock does, but without a process for each, which is slow on an emulated machine.
    """
    if moment is None:
        clock.reset()
    else:
        clock.set_to(clock.moment(moment))
    return {}


def op_await_childless(pidfile, timeout):
    """Wait until the daemon of that pid file has no child, or there is no such daemon; {"childless"}.

    xinetd counts a session for as long as its server is its child.
    """
    deadline = time.monotonic() + timeout
    while _children(pidfile):
        if time.monotonic() > deadline:
            return {"childless": False}
        time.sleep(0.002)
    return {"childless": True}


def _children(pidfile):
    try:
        with open(pidfile) as file:
            parent = int(file.read(20))
    except (OSError, ValueError):
        return []
    return [number for number in os.listdir("/proc") if number.isdigit() and _parent(number) == parent]


def _parent(number):
    """The parent of a process by proc(5), None for one that is gone."""
    try:
        with open("/proc/%s/stat" % number) as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None
