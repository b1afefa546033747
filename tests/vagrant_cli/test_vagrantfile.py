"""The Vagrantfile, read by the real Vagrant for VirtualBox: what a slot's machines would be made with."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labgrader.model import spec, topology
from labgrader.providers.vagrant import project, settings, slots

pytestmark = pytest.mark.vagrant

TOP = Path(__file__).resolve().parents[2]
LAB = "network-services"
# Enough of a VirtualBox for Vagrant to take its provider for usable.
VBOXMANAGE = '#!/bin/sh\n[ "$1" != --version ] || echo 7.0.20r163906\n'


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/VBoxManage").write_text(VBOXMANAGE)
    (tmp_path / "bin/VBoxManage").chmod(0o755)


def read(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Machine by machine, what Vagrant took in."""
    done = subprocess.run(
        ["ruby", str(Path(__file__).with_name("vagrantfile_as_read.rb"))],
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "VAGRANT_HOME": str(folder / "home"),
            "VAGRANT_DOTFILE_PATH": str(folder / "dot"),
            "VAGRANT_CWD": str(TOP),
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def slot_of(folder: Path) -> tuple[slots.Slot, dict[str, Any]]:
    """A new slot for the lab, and what Vagrant reads of it."""
    lab = spec.find(LAB)
    slot, _ = slots.claim("a key", LAB, "libvirt")
    chosen = settings.read({})
    project.write(slot, topology.topology(lab), lab.limits, chosen)
    return slot, read(folder, project.environment(slot, chosen))


def given(script: str) -> dict[str, Any]:
    """The settings in a machine's preparation."""
    packed = re.search(r"settings\.json\" << 'END'\n(\S+)\nEND", script)
    assert packed is not None
    found: dict[str, Any] = json.loads(base64.b64decode(packed[1]))
    return found


def test_a_slot_s_machines_are_the_lab_s(tmp_path: Path) -> None:
    slot, machines = slot_of(tmp_path)
    lab = spec.find(LAB)
    assert list(machines) == list(lab.hosts)
    for name, machine in machines.items():
        host = lab.hosts[name]
        assert machine["name"] == f"labgrader-{slot.id}-{name}"
        assert machine["box"] == ["almalinux/8", settings.read({}).box_version]
        assert (machine["linked_clone"], machine["folders"], machine["insert_key"]) == (True, [], False)
        # The user's copy of the key that every box knows: Vagrant takes a key that it uses from all others.
        assert machine["keys"] == [
            str(slot.folder / "client_key"),
            str(tmp_path / "home/insecure_private_key"),
        ]
        assert Path(machine["keys"][1]).is_file()
        hardware = {words[0]: str(words[1]) for words in machine["hardware"]}
        assert (hardware["--memory"], hardware["--cpus"]) == (str(host.memory_mb), str(host.cpus))
        cards = [card for card in machine["networks"] if card["kind"] == "private_network"]
        assert [card["virtualbox__intnet"] for card in cards] == [
            f"labgrader-{slot.id}-{interface.network}" for interface in host.interfaces.values()
        ]
        assert not any(card["auto_config"] for card in cards)
        told = given(*machine["scripts"])
        assert (told["hostname"], told["forward"]) == (host.hostname, host.forward)
    assert [name for name in machines if lab.hosts[name].forward] == ["gw"], "or nothing was seen of it"


def test_two_slots_share_neither_ports_nor_networks(tmp_path: Path) -> None:
    """A snapshot keeps its forwarded port: one that both have would keep the second from being restored."""
    seen = []
    for slot, machines in (slot_of(tmp_path), slot_of(tmp_path)):
        networks = [one for machine in machines.values() for one in machine["networks"]]
        ports = {one["host"] for one in networks if one["kind"] == "forwarded_port"}
        assert len(ports) == len(machines)
        assert all(port in project.PORTS for port in ports)
        seen.append(ports | {one["virtualbox__intnet"] for one in networks if "virtualbox__intnet" in one})
        slot.release()
    assert not seen[0] & seen[1]


def test_by_hand_it_is_the_same_machines_on_vagrant_s_own_port(tmp_path: Path) -> None:
    _slot, ours = slot_of(tmp_path)
    for name, machine in read(tmp_path, {"LAB": LAB}).items():
        assert machine["name"] == f"labgrader-by-hand-{LAB}-{name}"
        assert machine["hardware"] == ours[name]["hardware"]
        assert [one["mac"] for one in machine["networks"] if "mac" in one] == [
            one["mac"] for one in ours[name]["networks"] if "mac" in one
        ]
        assert [one["host"] for one in machine["networks"] if one["kind"] == "forwarded_port"] == [2222]
        mine, told = given(*machine["scripts"]), given(*ours[name]["scripts"])
        secret = {"host_key", "authorized_key", "machine_id"}
        assert {key: mine[key] for key in mine.keys() - secret} == {
            key: told[key] for key in told.keys() - secret
        }


@pytest.mark.parametrize(("hypervisor", "loaded"), [("virtualbox", "false"), ("libvirt", "true")])
def test_no_plug_in_meddles_with_machines_of_virtualbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hypervisor: str, loaded: str
) -> None:
    text = 'puts "loaded: #{Vagrant.has_plugin?("vagrant-libvirt")}"\n'
    (tmp_path / "Vagrantfile").write_text(text + 'Vagrant.configure("2") { |c| c.vm.box = "a/b" }\n')
    monkeypatch.setattr(project, "TOP", tmp_path)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    slot, _ = slots.claim("a key", LAB, "libvirt")
    chosen = settings.read({"VAGRANT_DEFAULT_PROVIDER": hypervisor})
    said = project.vagrant(slot, chosen, "list-commands", deadline_s=60).text
    assert f"loaded: {loaded}" in said
