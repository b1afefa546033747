"""From a fresh process to a lab host's PID 1: namespaces, root file system, then the guest's init (stdlib).

Runs in the lab's own namespaces (see lab_boot). Nothing of the grader's file system stays visible: the
root is an overlay over the image, and PID 1 is the guest's own Python on the guest's own init.
"""

from __future__ import annotations

import fcntl
import os
import socket
from typing import Any

import kernel as k

GUEST_INIT = ["/usr/bin/python3", "-IS", "/usr/lib/labgrader/init.py"]
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Where an ordinary user may write; each is a file system of its own, so that a full one fills nothing else.
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/home/student", "/home/lisi")
# Whose the homes are here; on the image they are others', because these change places (lab_boot._uid_map).
PEOPLE = {"lisi": 1000, "student": 1001}


def prepare_root(host: dict[str, Any], layers: list[str], where: str) -> str:
    """Mount the overlay of one host under `where` (a tmpfs of the lab's) and return its path."""
    k.mount("tmpfs", where, "tmpfs", k.MS_NODEV, f"size={host['system_mb']}m,nr_inodes=40k,mode=755")
    for part in ("upper", "work", "root"):
        os.mkdir(f"{where}/{part}")
    k.mount(
        "overlay",
        f"{where}/root",
        "overlay",
        k.MS_NODEV,
        f"lowerdir={':'.join(layers)},upperdir={where}/upper,workdir={where}/work,userxattr",
    )
    return f"{where}/root"


def boot(host: dict[str, Any], root: str, signal_fd: int, go_fd: int, cgroup_fds: list[int]) -> None:
    """Become the host's outer process: make its namespaces, fork PID 1, wait for it. Never returns.

    Talks to the lab through two pipes: "u" = ready for the id maps, "n" = the network namespace is
    there; the lab answers a byte each time. A failure is written as "!" and its sentence.
    """
    try:
        for fd in cgroup_fds:
            os.write(fd, b"0")
        k.die_with_parent()
        k.unshare(k.CLONE_NEWUSER)
        k.stay_dumpable()
        os.write(signal_fd, b"u")
        _expect(go_fd)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        k.die_with_parent()
        k.unshare(
            k.CLONE_NEWNS
            | k.CLONE_NEWPID
            | k.CLONE_NEWNET
            | k.CLONE_NEWIPC
            | k.CLONE_NEWUTS
            | k.CLONE_NEWCGROUP
        )
        os.write(signal_fd, b"n")
        child = os.fork()
        if child == 0:
            _expect(go_fd)
            _become_init(host, root, signal_fd)
        os.close(signal_fd)
        os.close(host["socket_fd"])
        os.waitpid(child, 0)
    except BaseException as error:
        _report(signal_fd, f"host {host['name']}: {error}")
    os._exit(1)


def _become_init(host: dict[str, Any], root: str, signal_fd: int) -> None:
    try:
        k.die_with_parent()
        socket.sethostname(host["hostname"])
        k.mount("none", "/", "", k.MS_REC | k.MS_PRIVATE)
        # A mount that came with the lab is locked in this namespace and cannot be pivoted to; ours can.
        k.mount(root, root, "", k.MS_BIND)
        _mounts(host, root)
        # The guest's init finds its listening socket at 3 and the report pipe at 4; by way of high
        # numbers, because either may already stand in the other's place.
        listener = fcntl.fcntl(host["socket_fd"], fcntl.F_DUPFD, 900)
        report = fcntl.fcntl(signal_fd, fcntl.F_DUPFD, 900)
        k.pivot_root(root)
        os.dup2(listener, 3)
        os.dup2(report, 4)
        signal_fd = 4
        os.closerange(5, 1024)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.setsid()
        os.execve(GUEST_INIT[0], GUEST_INIT, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    except BaseException as error:
        _report(signal_fd, f"host {host['name']}: {error}")
    os._exit(1)


def _mounts(host: dict[str, Any], root: str) -> None:
    k.mount("proc", f"{root}/proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)
    try:
        k.mount("sysfs", f"{root}/sys", "sysfs", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC | k.MS_RDONLY)
    except OSError:
        pass  # only /sys/class/net would be missed; some machines hide sysfs from user namespaces
    dev = f"{root}/dev"
    k.mount("tmpfs", dev, "tmpfs", k.MS_NOSUID, "size=64k,mode=755")
    for name in DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        k.mount(f"/dev/{name}", f"{dev}/{name}", "", k.MS_BIND)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ):
        os.symlink(target, f"{dev}/{name}")
    os.mkdir(f"{dev}/pts")
    os.mkdir(f"{dev}/shm")
    k.mount(
        "devpts",
        f"{dev}/pts",
        "devpts",
        k.MS_NOSUID | k.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620,gid=5,max=128",
    )
    k.mount("tmpfs", f"{root}/run", "tmpfs", k.MS_NOSUID | k.MS_NODEV, "size=16m,mode=755")
    for path in SCRATCH:
        _scratch(root + path, host["disk_mb"])


def _scratch(path: str, size_mb: int) -> None:
    # The image says who owns the directory; a mount over it must not forget that.
    try:
        seen = os.stat(path)
        owner, mode = (seen.st_uid, seen.st_gid), seen.st_mode & 0o7777
    except FileNotFoundError:
        os.makedirs(path)
        owner, mode = (0, 0), 0o1777
    if path.endswith("/dev/shm"):
        mode = 0o1777
    owner = (PEOPLE.get(os.path.basename(path), owner[0]), owner[1])
    options = f"size={size_mb}m,nr_inodes=4k,mode={mode:o},uid={owner[0]},gid={owner[1]}"
    k.mount("tmpfs", path, "tmpfs", k.MS_NOSUID | k.MS_NODEV, options)


def _expect(fd: int) -> None:
    if os.read(fd, 1) != b"1":
        raise OSError("the lab went away while the host was coming up")


def _report(fd: int, sentence: str) -> None:
    try:
        os.write(fd, b"!" + sentence.encode(errors="replace")[:2000])
    except OSError:
        pass
