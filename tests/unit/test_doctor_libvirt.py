"""What the doctor makes of libvirt's texts, and of Vagrant's own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.doctor_findings import State
from labgrader.doctor_host import Clash, Needs, Version
from labgrader.providers.vagrant import doctor
from labgrader.providers.vagrant import doctor_libvirt as libvirt

REFUSED = "error: failed to connect to the hypervisor\nerror: {}\n"
SOCKET = "Failed to connect socket to '/var/run/libvirt/libvirt-sock'"
POLKIT = (
    "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'"
)
LAN = IPv4Network("192.168.1.0/24")


@pytest.mark.parametrize(
    ("status", "complaint", "units", "state", "message", "remedy"),
    [
        (0, "", [], State.OK, "answers at qemu:///system", None),
        (
            1,
            f"{SOCKET}: Permission denied",
            ["libvirtd.service"],
            State.LACKS,
            f"does not let alice in (error: {SOCKET}: Permission denied)",
            "run: sudo usermod -aG libvirt alice, then log in anew",
        ),
        (
            1,
            POLKIT,
            [],
            State.LACKS,
            f"does not let alice in (error: {POLKIT})",
            "run: sudo usermod -aG libvirt alice, then log in anew",
        ),
        (
            1,
            f"{SOCKET}: No such file or directory",
            ["libvirtd.service"],
            State.LACKS,
            "is not running",
            "run: sudo systemctl enable --now libvirtd.service",
        ),
        (
            1,
            "Failed to connect socket to '/var/run/libvirt/virtqemud-sock': Connection refused",
            ["virtqemud.service"],
            State.LACKS,
            "is not running",
            "run: sudo systemctl enable --now virtqemud.service",
        ),
        (
            None,
            "no answer within 30 s",
            [],
            State.LACKS,
            "does not answer: error: no answer within 30 s",
            "run: virsh -c qemu:///system version",
        ),
    ],
)
def test_why_libvirts_daemon_cannot_be_used(
    status: int | None, complaint: str, units: list[str], state: State, message: str, remedy: str | None
) -> None:
    found = libvirt.daemon(status, REFUSED.format(complaint), user="alice", root=False, units=units)
    assert (found.state, found.message, found.remedy) == (state, message, remedy)


def test_a_daemon_that_systemd_does_not_know_is_installed() -> None:
    complaint = REFUSED.format(
        "Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory"
    )
    found = libvirt.daemon(1, complaint, user="root", root=True)
    assert found.packages == ("libvirt-daemon-system",)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("vagrant-libvirt (0.11.2, system)\n", "0.11.2"),
        (
            "vagrant-env (0.1.3, global)\nvagrant-libvirt (0.12.2, global)\n  - Version Constraint: 0\n",
            "0.12.2",
        ),
        ("vagrant-libvirt-extra (1.0, global)\n", None),
        ("No plugins installed.\n", None),
        ("", None),
    ],
)
def test_the_plugin_in_vagrants_list(text: str, version: str | None) -> None:
    assert libvirt.plugin_version(text) == version


@pytest.mark.parametrize(
    ("usable", "driver", "state"),
    [
        (True, "kvm", State.OK),
        (False, "kvm", State.LACKS),
        (False, "qemu", State.NOTE),
        (True, "qemu", State.NOTE),
    ],
)
def test_emulation_is_told_and_kvm_must_work(usable: bool, driver: str, state: State) -> None:
    found = libvirt.emulation(usable, "" if usable else "No such file or directory", driver)
    assert found.state is state
    if not usable:
        assert "No such file or directory" in found.message
    if state is State.LACKS:
        assert found.remedy is not None
        assert found.remedy.startswith("export LABGRADER_LIBVIRT_DRIVER=qemu: ")


def test_only_the_network_for_management_can_hide_the_machines_own() -> None:
    lab = libvirt.judged(Clash(LAN, ("tcp-server",), LAN, "wlp2s0", "wlp2s0"))
    assert lab.line == (
        "note   addresses with libvirt: 192.168.1.0/24 (tcp-server) is also this machine's 192.168.1.0/24 "
        "(wlp2s0); harmless, the labs' networks have no address on this machine"
    )
    own = IPv4Network("10.121.0.0/24")
    same = libvirt.judged(Clash(own, ("management",), own, "eth0", "eth0"))
    assert same.state is State.LACKS
    assert same.remedy == "export LABGRADER_MANAGEMENT=10.X.0.0/24 with another X"
    broad = IPv4Network("10.0.0.0/8")
    part = libvirt.judged(Clash(own, ("management",), broad, "a route through tun0", "tun0"))
    assert part.state is State.NOTE
    assert part.remedy == same.remedy


def test_a_name_server_that_the_network_for_management_would_hide_is_told() -> None:
    servers = [IPv4Address("9.9.9.9"), IPv4Address("10.121.0.53")]
    (found,) = libvirt.hidden_nameservers(servers, IPv4Network("10.121.0.0/24"))
    assert found.state is State.NOTE
    assert found.message.startswith("10.121.0.53 is in 10.121.0.0/24, libvirt's network for management, ")


def test_bridges_of_networks() -> None:
    text = (
        "Name:           labgrader-mgmt\nUUID:           5e9\nActive:         yes\nBridge:         virbr7\n"
    )
    assert libvirt.bridges([text, "", "Name: x\nBridge:         virbr9\n"]) == ["virbr7", "virbr9"]


@pytest.mark.parametrize(
    ("text", "network"),
    [("10.121.0.0/24", True), ("10.121.0.5/24", False), ("fe80::/64", False), ("", False)],
)
def test_the_management_network_that_is_asked_for(text: str, network: bool) -> None:
    assert (libvirt.management(text) is not None) == network


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Vagrant 2.3.4\n", (2, 3, 4)),
        ("Vagrant 2.4.10.dev\n", (2, 4, 10)),
        ("/usr/lib/ruby/vendor_ruby/x.rb:1: warning: loading in progress\nVagrant 2.3.7\n", (2, 3, 7)),
        (
            "A new version of Vagrant is available: 2.4.9 (installed version: 2.4.1)!\nVagrant 2.4.1\n",
            (2, 4, 1),
        ),
        ("vagrant: command not found\n", None),
        ("", None),
    ],
)
def test_vagrants_version_among_warnings(text: str, version: Version | None) -> None:
    assert doctor.version(text) == version


@given(st.text())
def test_no_text_in_place_of_vagrants_is_too_much(text: str) -> None:
    assert doctor.version(text) is None or text.count("Vagrant ")
    assert libvirt.plugin_version(text) is None or "vagrant-libvirt (" in text
    libvirt.bridges([text])
    libvirt.management(text)
    assert libvirt.daemon(1, text, user="alice", root=False).state is State.LACKS


@pytest.mark.parametrize(
    ("available", "total", "state"),
    [(3000, 4000, State.OK), (1000, 4000, State.NOTE), (1000, 1500, State.LACKS)],
)
def test_memory_of_the_largest_lab(available: int, total: int, state: State) -> None:
    found = doctor.memory(Needs({}, 2, "network-services", 2048), total, available)
    assert found.state is state
    assert found.message.startswith("the machines of network-services take 2048 MB")


def test_vagrants_folder_is_opened_to_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / ".vagrant.d"
    assert doctor.home(folder).state is State.OK
    folder.mkdir()
    assert doctor.home(folder).state is State.OK
    folder.chmod(0o500)
    found = doctor.home(folder)
    assert found.state is State.LACKS
    assert found.remedy == f"run: chmod u+rwx {folder}"
    assert found.fix is not None
    assert found.fix() == f"Opened {folder} to its owner."
    assert doctor.home(folder).state is State.OK
    assert folder.stat().st_mode & 0o777 == 0o700
