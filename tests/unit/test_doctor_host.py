"""What the doctor reads from a machine's own texts."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader import doctor_host as host

INTEL = """\
processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu vme msr pae lm constant_tsc vmx smx est tm2 ssse3 aes avx hypervisor
vmx flags\t: vnmi preemption_timer invvpid ept_x_only
"""
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu lm extapic svm cr8_legacy abm sse4a\n"
NONE = "processor\t: 0\nflags\t\t: fpu lm hypervisor avx512_vp2intersect svm_lock vmxnet\nvmx flags\t: vmx\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes\n"
ADDRESSES = json.dumps(
    [
        {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
        {},
        {
            "ifname": "wlp2s0",
            "addr_info": [
                {"family": "inet", "local": "192.168.1.17", "prefixlen": 24, "scope": "global"},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        },
        {
            "ifname": "tun0",
            "addr_info": [{"family": "inet", "local": "10.8.0.6", "address": "10.8.0.5", "prefixlen": 32}],
        },
        {"ifname": "enp3s0", "addr_info": []},
    ]
)
ROUTES = json.dumps(
    [
        {"dst": "default", "gateway": "192.168.1.1", "dev": "wlp2s0", "flags": []},
        {"dst": "0.0.0.0/1", "gateway": "10.8.0.5", "dev": "tun0"},
        {"dst": "128.0.0.0/1", "gateway": "10.8.0.5", "dev": "tun0"},
        {"dst": "192.168.0.0/16", "gateway": "10.8.0.5", "dev": "tun0"},
        {"dst": "192.168.1.0/24", "dev": "wlp2s0", "protocol": "kernel", "prefsrc": "192.168.1.17"},
        {"type": "blackhole", "dst": "172.25.0.0/16", "flags": []},
        {"dst": "10.121.0.9", "dev": "tun0"},
    ]
)
LAN0, LAN1 = IPv4Network("192.168.0.0/24"), IPv4Network("192.168.1.0/24")
WANTED = {LAN0: ("tcp-server",), LAN1: ("tcp-server", "network-services")}


@pytest.mark.parametrize(
    ("text", "flag"), [(INTEL, "vmx"), (AMD, "svm"), (NONE, None), (ARM, None), ("", None)]
)
def test_virtualization_is_a_flag_of_the_processor(text: str, flag: str | None) -> None:
    assert host.virtualization(text) == flag


def test_users_of_modules() -> None:
    text = (
        "kvm_intel 372736 4 - Live 0x0000000000000000\n"
        "kvm 1052672 1 kvm_intel, Live 0x0000000000000000\n"
        "vboxdrv 663552 2 vboxnetadp,vboxnetflt, Live 0x0000000000000000 (OE)\n"
        "fixed 1 - - Live 0x0\n"
        "torn\n"
    )
    assert host.module_users(text) == {"kvm_intel": 4, "kvm": 1, "vboxdrv": 2, "fixed": 0}


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.12.48+deb13-amd64", (6, 12)),
        ("6.8.0-87-generic", (6, 8)),
        ("4.18.0-553.el8_10.x86_64", (4, 18)),
        ("7.1.0", (7, 1)),
        ("unknown", (0, 0)),
    ],
)
def test_the_kernels_version(release: str, numbers: tuple[int, int]) -> None:
    assert host.kernel_version(release) == numbers


def test_memory_in_megabytes() -> None:
    text = "MemTotal:       16212328 kB\nMemAvailable:    8388608 kB\nHugePages_Total: 0\n"
    assert host.memory_mb(text) == (15832, 8192)
    assert host.memory_mb("") == (0, 0)


def test_own_networks_leave_out_loopback_the_way_to_everywhere_and_what_is_told_twice() -> None:
    assert [(str(network), place) for network, place, _ in host.own_networks(ADDRESSES, ROUTES)] == [
        ("192.168.1.0/24", "wlp2s0"),
        ("10.8.0.6/32", "tun0"),
        ("192.168.0.0/16", "a route through tun0"),
        ("172.25.0.0/16", "a route through ?"),
        ("10.121.0.9/32", "a route through tun0"),
    ]


def test_a_clash_tells_whether_all_of_the_own_network_is_hidden() -> None:
    found = host.clashes(WANTED, host.own_networks(ADDRESSES, ROUTES))
    both = "192.168.1.0/24 (tcp-server, network-services)"
    assert [(clash.words, clash.hides_all) for clash in found] == [
        ("192.168.0.0/24 (tcp-server) is also this machine's 192.168.0.0/16 (a route through tun0)", False),
        (
            "192.168.1.0/24 (tcp-server, network-services) is also this machine's 192.168.1.0/24 (wlp2s0)",
            True,
        ),
        (
            f"{both} is also this machine's 192.168.0.0/16 (a route through tun0)",
            False,
        ),
    ]
    assert [
        clash.interface for clash in host.clashes(WANTED, host.own_networks(ADDRESSES, ROUTES), ["tun0"])
    ] == ["wlp2s0"]


@given(st.text())
def test_no_text_in_place_of_iproutes_json_is_too_much(text: str) -> None:
    assert host.own_networks(text, text) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["ifname", "addr_info", "dst", "dev", "x"]), inner)
    ),
    max_leaves=20,
)


@given(JSON, JSON)
def test_no_shape_of_json_is_too_much(addresses: object, routes: object) -> None:
    for network, _, _ in host.own_networks(json.dumps(addresses), json.dumps(routes)):
        assert not network.is_loopback
        assert network.prefixlen >= host.TOO_BROAD


NETWORKS = st.builds(
    lambda number, length: IPv4Network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(4, 32),
)


@given(NETWORKS, NETWORKS)
def test_two_networks_clash_just_if_they_share_an_address(wanted: IPv4Network, own: IPv4Network) -> None:
    first, last = max(wanted[0], own[0]), min(wanted[-1], own[-1])
    found = host.clashes({wanted: ("a",)}, [(own, "eth0", "eth0")])
    assert bool(found) == (first <= last)
    if found:
        assert found[0].hides_all == (wanted[0] <= own[0] and own[-1] <= wanted[-1])


def test_name_servers_of_ipv4() -> None:
    text = (
        "# by hand\nnameserver 114.114.114.114\nnameserver ::1\nnameserver\nnameserver 127.0.0.53 # local\n"
    )
    assert host.nameservers(text) == [IPv4Address("114.114.114.114"), IPv4Address("127.0.0.53")]


def test_what_the_labs_of_this_checkout_need() -> None:
    needs = host.needs()
    assert needs.largest == "network-services"
    assert needs.memory_mb == 2048
    assert set(needs.networks[LAN0]) >= {"tcp-server", "network-services"}
    assert IPv4Network("114.114.114.0/24") in needs.networks
    assert needs.broken == ()


def test_a_lab_that_cannot_be_read_is_named_and_the_others_count(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "lab.yaml").write_text("name: broken\nname: twice\n")
    needs = host.needs(tmp_path)
    assert needs.labs == 0
    assert needs.memory_mb == 0
    assert needs.broken == (f"{tmp_path}/broken/lab.yaml:2: name is there twice; the first is in line 1",)


def test_a_command_that_is_not_there_and_one_that_fails_are_told() -> None:
    assert host.ask(["/nowhere/vagrant", "--version"]) == host.Answer(None, "", "No such file or directory")
    assert host.ask(["sh", "-c", "echo out; echo err >&2; exit 3"]) == host.Answer(3, "out\n", "err\n")
    assert host.ask(["sleep", "60"], seconds=0.2) == host.Answer(None, "", "no answer within 0.2 s")


@given(st.text(min_size=1))
def test_what_a_program_prints_is_told_in_one_harmless_line(text: str) -> None:
    told = host.told(text)
    assert told.isprintable() or all(character.isprintable() or character.isspace() for character in told)
    assert "\n" not in told
    assert "\x1b" not in told
