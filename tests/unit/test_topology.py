"""Machines as a pure value: what lab.yaml says, and MAC addresses that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.model import spec
from labgrader.model.topology import topology


@pytest.mark.parametrize("name", spec.lab_names())
def test_mac_addresses_are_unique_local_and_always_the_same(name: str) -> None:
    lab = spec.find(name)
    nics = [nic for machine in topology(lab).machines for nic in machine.nics]
    macs = [nic.mac for nic in nics]
    assert len(set(macs)) == len(macs)
    for mac in macs:
        octets = [int(part, 16) for part in mac.split(":")]
        assert len(octets) == 6
        assert octets[0] & 0b11 == 0b10  # local, and no group's
    assert topology(spec.find(name)) == topology(lab)


def test_known_mac_addresses_stay_so_that_a_students_notes_stay_true() -> None:
    machines = {machine.name: machine for machine in topology(spec.find("tcp-server")).machines}
    macs = {f"{machine.name}.{nic.name}": nic.mac for machine in machines.values() for nic in machine.nics}
    assert macs == {
        "v0.eth0": "02:f5:70:6a:c6:67",
        "v0.eth1": "02:06:ce:89:c8:e0",
        "v1.eth1": "02:28:ce:ee:3b:de",
    }


def test_a_machine_has_what_the_lab_file_says(lab_folder: Path) -> None:
    path = lab_folder / "lab.yaml"
    text = path.read_text().replace("192.168.0.10/24}", "192.168.0.10/24, gateway: 192.168.0.254}")
    path.write_text(text.replace("{network: lan1, address: 192.168.1.11/24}", "{network: lan1}"))
    v0, v1 = topology(spec.load(path)).machines
    assert (v0.name, v0.hostname, v0.student, v0.forward) == ("v0", "V0", True, False)
    assert [(nic.name, nic.network, str(nic.address), str(nic.gateway)) for nic in v0.nics] == [
        ("eth0", "lan0", "192.168.0.10/24", "192.168.0.254"),
        ("eth1", "lan1", "192.168.1.10/24", "None"),
    ]
    assert (v1.student, v1.nics[0].address) == (False, None)
