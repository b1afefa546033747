"""One slot's Vagrant project: the files that the Vagrantfile reads, and how Vagrant is called."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.model.topology import Machine, Topology
from labgrader.providers.vagrant import cli, machine_readable
from labgrader.providers.vagrant.settings import BOXES, Settings
from labgrader.providers.vagrant.slots import Slot
from labgrader.remote.access import Access
from labgrader.remote.keys import new_key

TOP = Path(__file__).resolve().parents[4]
VAGRANTFILE = TOP / "Vagrantfile"
GUEST = Path(__file__).resolve().parents[2] / "guest"
SNAPSHOT = "ready"
# Below what Linux gives to clients by itself (ip_local_port_range), above what services have.
PORTS = range(20000, 30000)


def key(topology: Topology, limits: Limits, settings: Settings, groundwork: str) -> str:
    """A digest of all that decides what the machines are: another one needs machines of its own.

    groundwork: the digest of what is laid on them before their snapshot.
    """
    total = hashlib.sha256(f"{topology!r} {limits.disk_mb} {settings.key} {groundwork}".encode())
    for path in [VAGRANTFILE, BOXES, *sorted(path for path in GUEST.rglob("*") if path.is_file())]:
        if "__pycache__" not in path.parts:
            total.update(f"\0{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def write(slot: Slot, topology: Topology, limits: Limits, settings: Settings) -> None:
    """Write the slot's machines, with a fresh host key, machine id and client key for each.

    The keys are pinned before a machine exists, so that none is ever taken for another.
    """
    client = new_key()
    key_file = slot.folder / "client_key"
    key_file.touch(0o600)
    key_file.write_text(client.private)
    hosts = {machine.name: new_key() for machine in topology.machines}
    slot.write(
        "machines.json",
        {
            "prefix": slot.prefix,
            "client_key": str(key_file),
            "disk_mb": limits.disk_mb,
            "machines": [
                {
                    **_machine(machine),
                    "ssh_port": port,
                    "settings": {
                        "host_key": hosts[machine.name].private,
                        "authorized_key": client.public,
                        "machine_id": secrets.token_hex(16),
                    },
                }
                for machine, port in zip(topology.machines, _ports(slot), strict=False)
            ],
        },
    )
    slot.write("keys.json", {name: pair.public for name, pair in hosts.items()})
    slot.write("slot.json", {**slot.read("slot.json"), "hypervisor": settings.hypervisor})


def _ports(slot: Slot) -> Iterator[int]:
    """Ports of this machine for the slot's SSH, hardly ever those of another slot, whoever's it is.

    A snapshot keeps its port, and Vagrant gives a machine that it restores no other one: with the port that
    Vagrant gives to all, two labs that were not made side by side could never be used side by side.
    """
    first = int(slot.id, 16)
    return (PORTS[(first + number) % len(PORTS)] for number in itertools.count())


def _machine(machine: Machine) -> dict[str, object]:
    return {
        "name": machine.name,
        "hostname": machine.hostname,
        "memory_mb": machine.memory_mb,
        "cpus": machine.cpus,
        "forward": machine.forward,
        "interfaces": [
            {
                "name": nic.name,
                "network": nic.network,
                "mac": nic.mac,
                "address": str(nic.address) if nic.address else None,
            }
            for nic in machine.nics
        ],
    }


def machine_ids(slot: Slot) -> dict[str, tuple[str, str]]:
    """What each machine must say it is: name to (hostname, machine id)."""
    return {
        machine["name"]: (machine["hostname"], machine["settings"]["machine_id"])
        for machine in slot.read("machines.json")["machines"]
    }


def environment(slot: Slot, settings: Settings) -> dict[str, str]:
    """What Vagrant and the Vagrantfile are told through the environment."""
    told = {
        "VAGRANT_CWD": str(TOP),
        "VAGRANT_VAGRANTFILE": VAGRANTFILE.name,
        "VAGRANT_DOTFILE_PATH": str(slot.folder / "vagrant"),
        "VAGRANT_DEFAULT_PROVIDER": settings.hypervisor,
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "LABGRADER_MACHINES": str(slot.folder / "machines.json"),
        "LABGRADER_BOX": settings.box,
        "LABGRADER_BOX_NAME": settings.box_name,
        "LABGRADER_BOOT_TIMEOUT": str(settings.boot_timeout_s),
    }
    if settings.hypervisor == "virtualbox":
        # Some act on every machine: vagrant-vbguest would fetch packages from an archive to build with.
        told["VAGRANT_NO_PLUGINS"] = "1"
    if settings.driver:
        told["LABGRADER_LIBVIRT_DRIVER"] = settings.driver
    return told


def vagrant(slot: Slot, settings: Settings, *arguments: str, deadline_s: float) -> cli.Answer:
    """Call Vagrant on the slot's machines; LabError with one sentence and the log's path if it fails."""
    return cli.run(
        arguments,
        folder=TOP,
        environment=environment(slot, settings),
        deadline_s=deadline_s,
        log=slot.log,
        tell=say,
    )


def reached_at(slot: Slot, settings: Settings) -> Mapping[str, tuple[str, int]]:
    """Where Vagrant says that each machine's SSH is: name to (address, port)."""
    answer = vagrant(slot, settings, "ssh-config", deadline_s=120)
    found = {
        item.host: (item.address, item.port)
        for item in machine_readable.ssh_config(machine_readable.plain(answer.lines))
    }
    if missing := set(slot.read("keys.json")) - set(found):
        raise LabError(
            f"Vagrant does not say how to reach {', '.join(sorted(missing))}; the full log: {slot.log}"
        )
    return found


def access(slot: Slot, name: str, place: tuple[str, int]) -> Access:
    """The way in to one machine as root, with the keys of this slot."""
    client = (slot.folder / "client_key").read_text()
    return Access(name, "root", slot.read("keys.json")[name], client, address=place[0], port=place[1])


def say(text: str) -> None:
    """Tell the one who waits."""
    print(text, file=sys.stderr, flush=True)


def log_tail(slot: Slot) -> str:
    """Where to read on."""
    return f"the full log: {os.fspath(slot.log)}"
