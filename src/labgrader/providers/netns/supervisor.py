"""The process that owns one lab from outside its namespaces (stdlib only, run with `python -I -S`).

    supervisor.py LAB_ID          configuration as one JSON line on standard input

It makes the user namespace (as root by writing the id maps, as an ordinary user through newuidmap), the
lab's namespaces and cgroups, reports `ok` or `!sentence` on standard output, and then waits for standard
input to close: that is how a grader that ends, however it ends, ends its lab. Last it removes the lab's
cgroups and its runtime directory. `"prepare"` in the configuration runs one command as the namespace's
root instead of a lab (to unpack or remove an image as a user whose ids are mapped).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel as k
import lab_boot

KILL_DEADLINE_S = 5.0


def main() -> int:
    os.umask(0o022)  # a host's / gets its mode from here, whatever the grader's own habits are
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # SIGTERM ends the wait below like a closed pipe does.
    wake_read, wake_write = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wake_write, b"t"))
    line = _read_line(0)
    if not line.endswith(b"\n"):
        return 0  # the grader ended before it had said what it wants
    config = json.loads(line)
    cgroups = config.get("cgroups", [])
    status_read, status_write = os.pipe()
    control_read, control_write = os.pipe()
    try:
        _enter_cgroups(config)
        outer = os.fork()
        if outer == 0:
            os.close(status_read)
            os.close(control_write)
            os.close(wake_write)
            _outer(config, control_read, status_write)
        os.close(status_write)
        os.close(control_read)
        _close_sockets(config)
        try:
            _map_ids(config, outer, status_read, control_write)
            # What is not up yet has nobody to obey the closing of the control pipe.
            ready = [] if "prepare" in config else select.select([0, wake_read, status_read], [], [])[0]
            if ready and status_read not in ready:
                os.kill(outer, signal.SIGKILL)
            said = _read_line(status_read) or b"!the lab's first process ended before it said anything"
        except OSError as error:
            said = b"!" + str(error).encode()
        _tell(said.rstrip(b"\n") + b"\n")
        if said.startswith(b"ok") and "prepare" not in config:
            select.select([0, wake_read], [], [])
        os.close(control_write)
        _end(outer)
    except OSError as error:
        _tell(b"!" + str(error).encode() + b"\n")
    finally:
        _remove_cgroups(cgroups)
        if config.get("runtime_dir"):
            shutil.rmtree(config["runtime_dir"], ignore_errors=True)
    return 0


def _tell(line: bytes) -> None:
    try:
        os.write(1, line)
    except OSError:
        pass  # the grader is gone; what it made must go all the same


def _read_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(fd, 65536)
        if not piece:
            break
        line += piece
    return line


def _enter_cgroups(config: dict[str, Any]) -> None:
    """Open each host's cgroup.procs while we still may; the host enters by writing 0 to it."""
    for host in config.get("hosts", []):
        host["cgroup_fds"] = []
        for directory in host.get("cgroups", []):
            host["cgroup_fds"].append(os.open(directory + "/cgroup.procs", os.O_WRONLY))


def _outer(config: dict[str, Any], control_fd: int, status_fd: int) -> None:
    """In the new user namespace: become its root, then fork the lab's PID 1. Never returns."""
    try:
        k.die_with_parent()
        k.unshare(k.CLONE_NEWUSER | k.CLONE_NEWNS)
        # Opened while this process is still the user's (who may pass a private home directory) but
        # already in the mount namespace of the lab (overlayfs takes no layer from another one).
        config["layer_fds"] = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in config.get("layers", [])]
        os.write(status_fd, b"u\n")
        if os.read(control_fd, 1) != b"1":
            os._exit(1)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        k.die_with_parent()
        k.unshare(k.CLONE_NEWPID | k.CLONE_NEWNET | k.CLONE_NEWIPC | k.CLONE_NEWUTS | k.CLONE_NEWCGROUP)
        inner = os.fork()
        if inner == 0:
            if "prepare" in config:
                _prepare(config, status_fd)
            lab_boot.run(config, control_fd, status_fd)
        os.close(status_fd)
        _close_sockets(config)
        os.waitpid(inner, 0)
    except BaseException as error:
        hint = ""
        if isinstance(error, OSError) and "unshare" in str(error):
            hint = " (this machine does not let labgrader make namespaces; ./lab doctor tells why)"
        os.write(status_fd, b"!" + (str(error) + hint).encode() + b"\n")
    os._exit(0)


def _close_sockets(config: dict[str, Any]) -> None:
    """Leave each host's socket to its own init: whoever calls a host that is gone is refused at once."""
    for host in config.get("hosts", []):
        os.close(host["socket_fd"])


def _prepare(config: dict[str, Any], status_fd: int) -> None:
    """Run one command as the namespace's root, with its own /proc, in the directory of the first layer."""
    k.mount("none", "/", "", k.MS_REC | k.MS_PRIVATE)
    k.mount("proc", "/proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)
    order = config["prepare"]
    os.umask(0o022)
    os.fchdir(config["layer_fds"][0])
    if order.get("chroot"):
        k.mount("proc", "proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)
        for name in ("null", "urandom"):
            os.close(os.open(f"dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
            k.mount(f"/dev/{name}", f"dev/{name}", "", k.MS_BIND)
        os.chroot(".")
    done = subprocess.run(order["argv"], stdin=order.get("stdin_fd", subprocess.DEVNULL), capture_output=True)
    if done.returncode == 0:
        os.write(status_fd, b"ok\n")
    else:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        os.write(
            status_fd, f"!{order['argv'][0]} exited with {done.returncode}: {' / '.join(words)}\n".encode()
        )
    os._exit(0)


def _map_ids(config: dict[str, Any], pid: int, status_fd: int, control_fd: int) -> None:
    said = _read_line(status_fd)
    if said != b"u\n":
        raise OSError(said.decode(errors="replace").lstrip("!").strip() or "the user namespace was not made")
    for kind in ("uid", "gid"):
        numbers = [str(number) for number in (0, config[kind + "_base"], config["ids"])]
        if config["direct"]:
            with open(f"/proc/{pid}/{kind}_map", "w") as file:
                file.write(" ".join(numbers))
        else:
            done = subprocess.run([f"new{kind}map", str(pid), *numbers], capture_output=True, text=True)
            if done.returncode != 0:
                raise OSError(
                    f"new{kind}map refused the ids {numbers[1]} to {int(numbers[1]) + config['ids'] - 1}: "
                    f"{done.stderr.strip()} (see /etc/sub{kind})"
                )
    os.write(control_fd, b"1")


def _end(outer: int) -> None:
    """Wait for the namespaces' outer process; the kernel ends the lab with it."""
    deadline = time.monotonic() + KILL_DEADLINE_S
    pidfd = os.pidfd_open(outer)
    if not select.select([pidfd], [], [], KILL_DEADLINE_S)[0]:
        os.kill(outer, signal.SIGKILL)
        select.select([pidfd], [], [], max(0.1, deadline - time.monotonic()))
    os.close(pidfd)
    os.waitpid(outer, os.WNOHANG)


def _remove_cgroups(directories: list[str]) -> None:
    """Remove the lab's cgroups, innermost first; the last processes may take a moment to leave them."""
    deadline = time.monotonic() + KILL_DEADLINE_S
    for directory in sorted(directories, key=len, reverse=True):
        while True:
            try:
                os.rmdir(directory)
                break
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    break
                select.select([], [], [], 0.002)


if __name__ == "__main__":
    sys.exit(main())
