"""The stand-in's machines, each a folder with machine.json, and the locks that keep two calls apart."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LOCK_S = 120.0
NOT_FOUND = "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)"
WRONG_STATE = "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)"
WRONG_VM_STATE = "VBOX_E_INVALID_VM_STATE (0x80bb0002)"
IN_USE = "VBOX_E_OBJECT_IN_USE (0x80bb000c)"
FILE_ERROR = "VBOX_E_FILE_ERROR (0x80bb0004)"
FAILURE = "NS_ERROR_FAILURE (0x80004005)"


class Refused(Exception):
    """A call that ends with an error: the lines for standard error, in VBoxManage's form, and the status."""

    def __init__(self, *lines: str, code: str = "", status: int = 1) -> None:
        super().__init__(lines[0])
        self.lines = [*lines, *([f"Details: code {code}, component Machine"] if code else [])]
        self.status = status


@dataclass
class Nic:
    """A network card: `kind` is none, nat or intnet; `mac` twelve hexadecimal digits."""

    kind: str = "none"
    mac: str = ""
    network: str = ""
    model: str = "82540EM"
    cable: bool = True


@dataclass
class Forward:
    """A port of this machine's loopback that leads to a port of the guest, by card `nic`."""

    nic: int
    name: str
    protocol: str
    host_ip: str
    host_port: int
    guest_ip: str
    guest_port: int

    @property
    def rule(self) -> str:
        """As modifyvm takes it and showvminfo prints it."""
        return (
            f"{self.name},{self.protocol},{self.host_ip},{self.host_port},{self.guest_ip},{self.guest_port}"
        )


@dataclass
class Settings:
    """What a snapshot keeps of a machine besides its disk and memory (`memory` in MB)."""

    memory: int
    cpus: int
    controller: str
    port: int
    nics: dict[int, Nic] = field(default_factory=dict)
    forwards: list[Forward] = field(default_factory=list)
    other: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(data: dict[str, Any]) -> Settings:
        """From JSON."""
        nics = {int(number): Nic(**nic) for number, nic in data["nics"].items()}
        return Settings(**{**data, "nics": nics, "forwards": [Forward(**rule) for rule in data["forwards"]]})


@dataclass
class Snapshot:
    """A snapshot: of a running machine it is one inside the disk file `disk`, else that file as it is."""

    uuid: str
    name: str
    live: bool
    disk: str
    parent: str
    settings: Settings


@dataclass
class Machine:
    """A registered machine. `resume` names the state inside its disk that the next start goes on from."""

    uuid: str
    name: str
    settings: Settings
    disk: str
    registered: float
    state: str = "poweroff"
    pid: int = 0
    resume: str = ""
    current: str = ""
    snapshots: list[Snapshot] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)  # disks of other machines that ours are built upon

    @property
    def folder(self) -> Path:
        """Where all its files are."""
        return machines_folder() / self.uuid

    @property
    def is_up(self) -> bool:
        """Whether a QEMU of it is there."""
        return self.state in {"running", "paused"}


def home() -> Path:
    """The stand-in's state folder, STAND_IN_STATE, made if it is missing."""
    folder = Path(os.environ.get("STAND_IN_STATE") or os.path.expanduser("~/.virtualbox-stand-in"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def machines_folder() -> Path:
    """The folder of all machines, made if it is missing."""
    folder = home() / "machines"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def new(name: str, settings: Settings) -> Machine:
    """A machine with an empty folder, not saved yet; `name` must be free."""
    if any(machine.name == name for machine in machines()):
        raise Refused(f"Machine settings file for '{name}' already exists", code=FILE_ERROR)
    machine = Machine(str(uuid.uuid4()), name, settings, "", time.time())
    machine.folder.mkdir(mode=0o700)
    return machine


def new_mac() -> str:
    """An address in the range that VirtualBox gives its cards."""
    return f"080027{random.randrange(1 << 24):06X}"


def machines() -> list[Machine]:
    """All registered machines, the oldest first."""
    found = []
    for path in machines_folder().glob("*/machine.json"):
        # Another call may be removing it.
        with contextlib.suppress(FileNotFoundError):
            found.append(_read(path))
    return sorted(found, key=lambda machine: machine.registered)


def find(key: str) -> Machine:
    """The machine of this id or name, as it is now."""
    for machine in machines():
        if key in (machine.uuid, machine.name):
            return machine
    raise Refused(f"Could not find a registered machine named '{key}'", code=NOT_FOUND)


def save(machine: Machine) -> None:
    """Write it down, whole or not at all."""
    path = machine.folder / "machine.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(machine), indent=1))
    temporary.replace(path)


@contextlib.contextmanager
def changing(key: str) -> Iterator[Machine]:
    """The machine, with no other call at work on it; what the block changes is saved even if it fails."""
    folder = find(key).folder
    with locked(folder / "lock"):
        machine = find(key)
        try:
            yield machine
        finally:
            if folder.exists():
                save(machine)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """No other call holds this lock meanwhile; refused after LOCK_S seconds."""
    with path.open("w") as lock:
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(int(LOCK_S))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            signal.alarm(0)
        yield


def qemu_is_alive(machine: Machine) -> bool:
    """Whether the process that was started for it still runs, and not another of the same number."""
    if not machine.pid:
        return False
    try:
        words = Path(f"/proc/{machine.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return machine.uuid.encode() in words


def _read(path: Path) -> Machine:
    data = json.loads(path.read_text())
    data["settings"] = Settings.of(data["settings"])
    data["snapshots"] = [
        Snapshot(**{**taken, "settings": Settings.of(taken["settings"])}) for taken in data["snapshots"]
    ]
    machine = Machine(**data)
    if machine.is_up and not qemu_is_alive(machine):
        # QEMU removes its pid file when it ends by itself, and leaves it when it is killed.
        machine.state = "aborted" if (machine.folder / "pid").exists() else "poweroff"
        machine.pid = 0
    return machine


def _too_long(_number: int, _frame: object) -> None:
    raise Refused(
        "The machine is already locked by a session (or being locked or unlocked)", code=WRONG_STATE
    )
