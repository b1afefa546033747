"""A room of namespaces in which virtual machines are tried: `python -m …vagrant_room FOLDER COMMAND …`.

The command runs as root with a network, processes and mounts of its own. The folders of libvirt lie in
FOLDER, and the users that libvirt asks for exist in there alone. Whatever the command leaves running ends
with it, and everything ends with the process that called us, however that ends.

Facts: namespaces(7), pid_namespaces(7), network_namespaces(7), prctl(2).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from labgrader.providers.netns import kernel

LIBVIRT_FOLDERS = (
    "/etc/libvirt",
    "/run/libvirt",
    "/var/lib/libvirt",
    "/var/log/libvirt",
    "/var/cache/libvirt",
)
LIBVIRT_USER = "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin"
LIBVIRT_GROUPS = ("libvirt-qemu:x:64055:", "kvm:x:64056:", "libvirt:x:64057:")
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
security_default_confined = 0
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
"""
LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_level = 3
"""


def main(folder: Path, command: list[str]) -> int:
    """Run a command in a new room; returns its exit status. SIGTERM reaches it as SIGINT."""
    kernel.die_with_parent()
    kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC)
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        os._exit(_first_process(folder, command, alive))
    # The terminal tells Ctrl-C to the command itself; we stay until it has tidied up.
    signal.signal(signal.SIGINT, _nothing)
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    os.close(held)
    return _exit_status(status)


def _first_process(folder: Path, command: list[str], alive: int) -> int:
    """Process 1 of the room: makes it, runs the command, buries orphans; with its end all others end."""
    kernel.die_with_parent()
    if select.select([alive], [], [], 0)[0]:
        return 1  # our parent ended before the kernel knew that we end with it
    try:
        _mount(folder)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The tests' room cannot be made: {error}.", file=sys.stderr)
        return 3
    # Set before the command is there, and a handler rather than SIG_IGN, which it would inherit.
    signal.signal(signal.SIGINT, _nothing)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda _number, _frame: process.send_signal(signal.SIGINT))
    if told:
        process.send_signal(signal.SIGINT)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == process.pid:
            return _exit_status(status)


def _mount(folder: Path) -> None:
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # A sysfs shows the interfaces of the network namespace that it was mounted in; the cgroups stay.
    cgroups = folder / "cgroup"
    cgroups.mkdir()
    kernel.mount("/sys/fs/cgroup", str(cgroups), flags=kernel.MS_BIND | kernel.MS_REC)
    kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount(str(cgroups), "/sys/fs/cgroup", flags=kernel.MS_BIND | kernel.MS_REC)
    kernel.detach(str(cgroups))
    for place in LIBVIRT_FOLDERS:
        own = folder / "libvirt" / place.replace("/", "-").strip("-")
        own.mkdir(parents=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        kernel.mount(str(own), place, flags=kernel.MS_BIND)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
    Path("/var/lib/libvirt/images").mkdir()
    _add_lines(folder, "/etc/passwd", (LIBVIRT_USER,))
    _add_lines(folder, "/etc/group", LIBVIRT_GROUPS)


def _add_lines(folder: Path, place: str, lines: tuple[str, ...]) -> None:
    """Show a copy of a file of users with those lines added whose names it lacks."""
    have = Path(place).read_text()
    names = {line.partition(":")[0] for line in have.splitlines()}
    missing = [line for line in lines if line.partition(":")[0] not in names]
    copy = folder / place.rpartition("/")[2]
    copy.write_text("\n".join([have.rstrip("\n"), *missing, ""]))
    copy.chmod(0o644)
    kernel.mount(str(copy), place, flags=kernel.MS_BIND)


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _nothing(_number: int, _frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
