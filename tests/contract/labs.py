"""Labs of three hosts in a row, made by any provider: left and right each share a network with middle."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from labgrader.checking.probes import Host
from labgrader.checking.verdicts import Notebook
from labgrader.model.limits import Limits
from labgrader.model.topology import Machine, Nic, Topology
from labgrader.providers import Provider
from labgrader.remote.access import Lease
from labgrader.remote.hands import Hands
from labgrader.remote.transport import Connection

LEFT, RIGHT = "192.168.0.11", "192.168.1.11"
MIDDLE_0, MIDDLE_1 = "192.168.0.10", "192.168.1.10"
LIMITS = Limits(disk_mb=8, processes=24, memory_mb=128)


def _machine(name: str, nics: dict[str, tuple[str, str]]) -> Machine:
    made = tuple(
        Nic(
            interface,
            network,
            f"02:00:00:00:{sum(name.encode()) % 256:02x}:{index:02x}",
            ipaddress.IPv4Interface(address),
            None,
        )
        for index, (interface, (network, address)) in enumerate(nics.items())
    )
    return Machine(name, name.upper(), name == "middle", False, 512, 1, made)


TOPOLOGY = Topology(
    "contract",
    ("lan0", "lan1"),
    (
        _machine("left", {"eth0": ("lan0", f"{LEFT}/24")}),
        _machine("middle", {"eth0": ("lan0", f"{MIDDLE_0}/24"), "eth1": ("lan1", f"{MIDDLE_1}/24")}),
        _machine("right", {"eth1": ("lan1", f"{RIGHT}/24")}),
    ),
)


@dataclass(frozen=True)
class Up:
    """A lab that is up, with addresses set, and its hosts as a check sees them."""

    lease: Lease
    left: Host
    middle: Host
    right: Host

    @property
    def hosts(self) -> tuple[Host, Host, Host]:
        return (self.left, self.middle, self.right)


@contextlib.contextmanager
def running(provider: Provider, limits: Limits = LIMITS) -> Iterator[Up]:
    """A lab for the time of the block."""
    lab = provider.start(TOPOLOGY, limits)
    try:
        lease = lab.ready()
        with contextlib.ExitStack() as stack:
            hosts = {}
            for machine in TOPOLOGY.machines:
                connection = stack.enter_context(Connection(lease.hosts[machine.name]))
                hands = Hands(connection)
                stack.callback(hands.close)
                hosts[machine.name] = Host(machine, connection, hands, limits, Notebook(), {})
                for nic in machine.nics:
                    hosts[machine.name].run("ip", "address", "add", str(nic.address), "dev", nic.name)
                    hosts[machine.name].run("ip", "link", "set", nic.name, "up")
            yield Up(lease, **hosts)
    finally:
        lab.destroy()
