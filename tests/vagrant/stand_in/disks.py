"""Disks as qcow2 files, through qemu-img; an overlay holds what differs from the file below it."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.vagrant.stand_in.store import FILE_ERROR, Machine, Refused


def convert(source: Path, machine: Machine) -> None:
    """Copy an image of any format to a disk of the machine's own."""
    machine.disk = _new_name(machine)
    _qemu_img("convert", "-O", "qcow2", str(source), machine.disk)


def lay_over(machine: Machine, below: str) -> None:
    """Give the machine a disk that is an overlay of `below`, which must not change any more."""
    machine.disk = _new_name(machine)
    _qemu_img("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", machine.disk)


def drop_if_unused(machine: Machine, disk: str) -> None:
    """Remove a disk file that neither the machine nor a snapshot of it needs any more."""
    needed = {machine.disk, *(snapshot.disk for snapshot in machine.snapshots)}
    if disk not in needed and not any(_is_below(disk, other) for other in needed):
        Path(disk).unlink()


def revert(disk: str, name: str) -> None:
    """Take a disk back to a snapshot inside it."""
    _qemu_img("snapshot", "-a", name, disk)


def drop_inner(disk: str, name: str) -> None:
    """Remove a snapshot inside a disk that no QEMU has open."""
    _qemu_img("snapshot", "-d", name, disk)


def size(path: Path) -> int:
    """The bytes that a guest sees of an image."""
    return int(_info(str(path))[0]["virtual-size"])


def _is_below(disk: str, above: str) -> bool:
    return any(layer.get("full-backing-filename") == disk for layer in _info(above, "--backing-chain"))


def _info(path: str, *words: str) -> list[dict[str, Any]]:
    # -U: a running machine has its disk locked.
    said = json.loads(_qemu_img("info", "-U", "--output=json", *words, path))
    return said if isinstance(said, list) else [said]


def _new_name(machine: Machine) -> str:
    return str(machine.folder / f"{{{uuid.uuid4()}}}.qcow2")


def _qemu_img(*words: str) -> str:
    done = subprocess.run(["qemu-img", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"Medium: {done.stderr.strip()}", code=FILE_ERROR)
    return done.stdout
