"""`lab test --vagrant`: what the tests with virtual machines need, and the room that they run in."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labgrader.errors import LabError, UsageError

PACKAGES = (
    *("vagrant", "vagrant-libvirt", "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients"),
    *("qemu-system-x86", "qemu-utils", "dnsmasq-base", "iptables", "iproute2"),
    # For the boxes.
    *("mmdebstrap", "syslinux", "syslinux-common", "mtools", "dosfstools", "fdisk", "e2fsprogs"),
)
MEMORY_MB = 3000
DISK_MB = 8000
PREFIX = "labgrader-vm-"
# Where the tests find the room's own folder; the room's tests are collected only where it is set.
ROOM = "LABGRADER_VAGRANT_ROOM"
# Our own settings of these would lead out of the room.
FOREIGN = ("VAGRANT_", "LIBVIRT_", "VIRSH_", "VBOX_", "STAND_IN_", "XDG_")


def check_machine() -> None:
    """Raise UsageError, with the remedy, where virtual machines cannot be tried at all."""
    if platform.machine() != "x86_64":
        raise UsageError(
            f"--vagrant: the machines are x86_64, and this is {platform.machine()}; use another."
        )
    if os.geteuid() != 0:
        raise UsageError(
            "--vagrant makes bridges and mounts of its own; run it as root: sudo ./lab test --vagrant"
        )
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise UsageError(
            f"--vagrant: /dev/net/tun: {error.strerror}; run: modprobe tun"
            " (a container needs --device /dev/net/tun)"
        ) from error
    command = ["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--mount-proc", "true"]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode != 0:
        raise UsageError(
            f"--vagrant: namespaces cannot be made ({tried.stderr.strip()}); a container must be --privileged"
        )
    if (free := _free_memory()) < MEMORY_MB:
        raise UsageError(
            f"--vagrant: {free} MB of memory are free, and the machines take {MEMORY_MB}; end something."
        )
    parent = _parent_folder()
    if (free := shutil.disk_usage(parent).free >> 20) < DISK_MB:
        raise UsageError(
            f"--vagrant: {free} MB are free in {parent}, and the machines take {DISK_MB};"
            " remove something, or set TMPDIR to a folder with more."
        )


def install() -> None:
    """Install those of PACKAGES that are missing. Raises UsageError where they still are afterwards."""
    from labgrader import doctor
    from labgrader.doctor_findings import Finding, State, install_command

    missing = _missing()
    if not missing:
        return
    print(f"Installing {', '.join(missing)} …", file=sys.stderr, flush=True)
    finding = Finding(State.LACKS, "packages", "missing", packages=tuple(missing))
    said = doctor.mend([finding])
    if still := _missing():
        raise UsageError(f"--vagrant: {' '.join(said)} Run: {install_command(still)}")


@contextmanager
def room(environment: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words to put before a command and the environment to run it with; removed afterwards.

    A room's folder that a killed run left is removed first. Raises LabError if none can be made.
    """
    parent = _parent_folder()
    _remove_dead(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise LabError(f"No folder can be made in {parent}: {error.strerror}.") from error
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        before = [sys.executable, "-P", "-m", "labgrader.develop.vagrant_room", str(folder)]
        yield before, _environment(environment, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def prepare() -> None:
    """Have the hosts' image and the boxes ready: in the room there is no network to fetch packages from."""
    from labgrader.providers.netns import image
    from labgrader.providers.vagrant import box

    image.ensure()
    box.build()


def _environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    own = {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}
    # What takes minutes to build is kept from run to run.
    own["XDG_CACHE_HOME"] = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    places = {"HOME": "home", "VAGRANT_HOME": "vagrant", "TMPDIR": "tmp", "XDG_RUNTIME_DIR": "run"}
    places |= {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state"}
    places |= {"LABGRADER_LOCK_FOLDER": "locks"}
    for name, place in places.items():
        (folder / place).mkdir(mode=0o700)
        own[name] = str(folder / place)
    own |= {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", ROOM: str(folder)}
    own["PATH"] = f"{environment.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    return own


def _parent_folder() -> Path:
    # Not /tmp, which may lie in memory.
    return Path(os.environ.get("TMPDIR") or "/var/tmp").resolve()


def _remove_dead(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}????????"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # being made at this moment, or somebody else's
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _missing() -> list[str]:
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PACKAGES]
    try:
        said = subprocess.run(command, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        names = " ".join(PACKAGES)
        raise UsageError(
            f"--vagrant runs on Debian and its relatives; elsewhere it lacks: {names}."
        ) from error
    there = {words[0] for line in said.splitlines() if (words := line.split())[1:] == ["installed"]}
    return [name for name in PACKAGES if name not in there]


def _free_memory() -> int:
    """Megabytes that new processes could have (proc(5))."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) >> 10
    return 0
