"""The machines of a lab as a pure value: hosts, interfaces, MACs and addresses. No I/O."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from labgrader.model.spec import Lab


@dataclass(frozen=True)
class Nic:
    """One interface: `address` is None where the lab does not configure it."""

    name: str
    network: str
    mac: str
    address: ipaddress.IPv4Interface | None
    gateway: ipaddress.IPv4Address | None


@dataclass(frozen=True)
class Machine:
    """One host as a provider needs it."""

    name: str
    hostname: str
    student: bool
    forward: bool
    memory_mb: int
    cpus: int
    nics: tuple[Nic, ...]


@dataclass(frozen=True)
class Topology:
    """All machines of one lab and the networks that join them."""

    lab: str
    networks: tuple[str, ...]
    machines: tuple[Machine, ...]


def topology(lab: Lab) -> Topology:
    """The topology that `lab` asks for; the same lab always gives the same MAC addresses."""
    machines = []
    for name, host in lab.hosts.items():
        nics = tuple(
            Nic(
                name=interface_name,
                network=interface.network,
                mac=_mac(lab.name, name, interface_name),
                address=ipaddress.IPv4Interface(interface.address) if interface.address else None,
                gateway=ipaddress.IPv4Address(interface.gateway) if interface.gateway else None,
            )
            for interface_name, interface in host.interfaces.items()
        )
        machines.append(
            Machine(name, host.hostname, host.student, host.forward, host.memory_mb, host.cpus, nics)
        )
    return Topology(lab.name, lab.networks, tuple(machines))


def _mac(*words: str) -> str:
    # 02: a locally administered unicast address (IEEE 802-2014, 8.4).
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])
