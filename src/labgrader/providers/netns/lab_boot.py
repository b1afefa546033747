"""PID 1 of one lab: its switches, its hosts, and the end of them all (stdlib only).

Everything a lab consists of lives in this process's namespaces; when it dies the kernel takes the
hosts, links, mounts and processes with it. There is no clean-up to forget.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from typing import Any

import host_boot
import kernel as k

# Of a host's user ids, these are at another place outside for each lab (the gids are not). guest/install.py.
FIRST_PERSON, PEOPLE = 1000, 2
FIRST_PLACE, PLACES = 2048, 30000
WORKSPACE = "/tmp"  # in this mount namespace only; the grader's own /tmp is not touched
DEADLINE_S = 20.0


def run(config: dict[str, Any], control_fd: int, status_fd: int) -> None:
    """Bring the lab up, say so on `status_fd`, and stay until `control_fd` closes. Never returns."""
    try:
        k.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        k.mount("none", "/", "", k.MS_REC | k.MS_PRIVATE)
        k.mount("proc", "/proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)
        k.mount("tmpfs", WORKSPACE, "tmpfs", k.MS_NODEV, "size=1m,mode=755")
        _bring_up(config)
        os.write(status_fd, b"ok\n")
    except BaseException as error:
        os.write(status_fd, b"!" + str(error).encode(errors="replace").replace(b"\n", b" ") + b"\n")
        os._exit(1)
    _stay(control_fd)


def _bring_up(config: dict[str, Any]) -> None:
    layers = [f"/proc/self/fd/{fd}" for fd in config["layer_fds"]]
    children: dict[str, tuple[int, int, int]] = {}
    for number, host in enumerate(config["hosts"], start=1):
        where = f"{WORKSPACE}/{host['name']}"
        os.mkdir(where)
        root = host_boot.prepare_root(host, layers, where)
        from_host, signal_fd = os.pipe()
        go_fd, to_host = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(from_host)
            os.close(to_host)
            for other in config["hosts"][number:]:
                os.close(other["socket_fd"])
            host_boot.boot(host, root, signal_fd, go_fd, host["cgroup_fds"])
        os.close(signal_fd)
        os.close(go_fd)
        os.close(host["socket_fd"])
        children[host["name"]] = (pid, from_host, to_host)
    deadline = time.monotonic() + DEADLINE_S
    maps = {"uid_map": _uid_map(config["ids"]), "gid_map": f"0 0 {config['ids']}"}
    for pid, from_host, to_host in children.values():
        _await(from_host, b"u", deadline)
        for kind, text in maps.items():
            with open(f"/proc/{pid}/{kind}", "w") as file:
                file.write(text)
        os.write(to_host, b"1")
    for _pid, from_host, _to_host in children.values():
        _await(from_host, b"n", deadline)
    _wire(config, {name: child[0] for name, child in children.items()})
    for _pid, _from_host, to_host in children.values():
        os.write(to_host, b"1")
    for _pid, from_host, _to_host in children.values():
        _await(from_host, b"r", deadline)  # the guest's init accepts connections


def _uid_map(count: int) -> str:
    """The map of a host's user ids: the people change places with as many others, chosen anew for each lab.

    The kernel counts what one user may keep in flight, in pipes or in epoll by his outermost id. With the
    same one in all labs of a grader, one student could use up what the others' programs need.
    """
    place = FIRST_PLACE + int.from_bytes(os.urandom(4)) % PLACES * PEOPLE
    behind, after = FIRST_PERSON + PEOPLE, place + PEOPLE
    lines = [
        (0, 0, FIRST_PERSON),
        (FIRST_PERSON, place, PEOPLE),
        (behind, behind, place - behind),
        (place, FIRST_PERSON, PEOPLE),
        (after, after, count - after),
    ]
    return "".join(f"{inside} {outside} {length}\n" for inside, outside, length in lines)


def _wire(config: dict[str, Any], pids: dict[str, int]) -> None:
    """One bridge a network, one veth pair an interface; the far end is born inside the host."""
    lines = ["link set lo up"]
    for index, _network in enumerate(config["networks"]):
        lines += [f"link add br{index} type bridge", f"link set br{index} up"]
    count = 0
    for host in config["hosts"]:
        for interface in host["interfaces"]:
            bridge = config["networks"].index(interface["network"])
            near = f"p{count}"
            count += 1
            lines += [
                (
                    f"link add {near} type veth peer name {interface['name']} "
                    f"address {interface['mac']} netns {pids[host['name']]}"
                ),
                f"link set {near} master br{bridge} up",
            ]
    done = subprocess.run(
        [config["ip"], "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    if done.returncode != 0:
        raise OSError(f"the lab's networks could not be wired: {done.stderr.strip()[:500]}")


def _await(fd: int, expected: bytes, deadline: float) -> None:
    ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise OSError(f"a host did not come up within {DEADLINE_S:.0f} s")
    said = os.read(fd, 1)
    if said == expected:
        return
    rest = os.read(fd, 2000) if said == b"!" else b""
    raise OSError(rest.decode(errors="replace") or "a host ended while it was coming up")


def _stay(control_fd: int) -> None:
    """Reap what the hosts leave, and end when the grader closes the control pipe or dies."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.set_wakeup_fd(wake_write)
    while True:
        ready, _, _ = select.select([control_fd, wake_read], [], [])
        if control_fd in ready:
            os._exit(0)
        try:
            os.read(wake_read, 512)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except (ChildProcessError, BlockingIOError):
            pass
