"""ifup, ifdown and the network service on real interfaces."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import pytest
import resolvconf

from tests.guest.conftest import Host, run_in_host, wait_until, wire

pytestmark = pytest.mark.namespaces
SCRIPTS = "/etc/sysconfig/network-scripts/ifcfg-"


@pytest.fixture
def two(make_host: Callable[[str], Host]) -> tuple[Host, Host]:
    """V0 with eth0 and eth1, both wired to gw."""
    v0, gw = make_host("V0"), make_host("gw")
    wire(v0, "eth0", gw, "eth0")
    wire(v0, "eth1", gw, "eth1")
    for interface in ("eth0", "eth1"):
        run_in_host(gw, ["ip", "link", "set", interface, "up"])
    return v0, gw


def addresses(host: Host, interface: str) -> list[str]:
    words = run_in_host(host, ["ip", "-4", "-o", "addr", "show", "dev", interface]).stdout.split()
    return [words[at + 1] for at, word in enumerate(words) if word == "inet"]


def routes(host: Host) -> set[str]:
    return {line.strip() for line in run_in_host(host, ["ip", "route"]).stdout.splitlines()}


def course_files(v0: Host) -> None:
    v0.write(
        SCRIPTS + "eth0",
        'NAME="eth0"\nDEVICE="eth0"\nONBOOT=yes\nBOOTPROTO="static"\nIPADDR="192.168.0.10"\n'
        'NETMASK="255.255.255.0"\nGATEWAY="192.168.0.254"\n',
    )
    v0.write(SCRIPTS + "eth1", "DEVICE=eth1\nIPADDR=192.168.1.10\nPREFIX=24\nDNS1=192.168.0.254\n")


def test_the_course_files_come_up_and_stay_through_restarts(two: tuple[Host, Host]) -> None:
    v0, _ = two
    course_files(v0)
    wanted = {
        "default via 192.168.0.254 dev eth0",
        "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.10",
        "192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.10",
    }
    assert run_in_host(v0, ["systemctl", "is-active", "network"]).stdout == "inactive\n"
    for command in (
        ["systemctl", "start", "network"],
        ["systemctl", "restart", "network.service"],
        ["service", "network", "restart"],
    ):
        done = run_in_host(v0, command)
        assert done.returncode == 0, done.stderr
        assert addresses(v0, "lo") == ["127.0.0.1/8"]
        assert addresses(v0, "eth0") == ["192.168.0.10/24"]
        assert addresses(v0, "eth1") == ["192.168.1.10/24"]
        assert {r for r in routes(v0) if not r.startswith("169.254")} == wanted
        assert {r.split(" metric")[0] for r in routes(v0)} - wanted == {
            "169.254.0.0/16 dev eth0 scope link",
            "169.254.0.0/16 dev eth1 scope link",
        }
        # what was added by hand is gone after the next turn
        run_in_host(v0, ["ip", "addr", "add", "10.9.9.9/24", "dev", "eth0"])
        run_in_host(v0, ["ip", "route", "add", "10.8.0.0/16", "dev", "eth1"])
    assert "nameserver 192.168.0.254\n" in v0.read("/etc/resolv.conf")
    assert run_in_host(v0, ["systemctl", "is-active", "network"]).stdout == "active\n"


def test_a_restart_is_quick_and_packets_flow_at_once(two: tuple[Host, Host]) -> None:
    v0, gw = two
    course_files(v0)
    gw.write(SCRIPTS + "eth0", "DEVICE=eth0\nIPADDR=192.168.0.254\nPREFIX=24\n")
    for host in two:
        assert run_in_host(host, ["systemctl", "start", "network"]).returncode == 0
    taken = []
    for _ in range(7):
        # processor time: what a busy machine adds by letting us wait says nothing of the command
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_in_host(v0, ["systemctl", "restart", "network"]).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert run_in_host(v0, ["ping", "-c1", "-W1", "192.168.0.254"]).returncode == 0
    assert min(taken) < 0.060


def test_one_bad_file_leaves_the_others_alone(two: tuple[Host, Host]) -> None:
    v0, _ = two
    course_files(v0)
    v0.write(SCRIPTS + "eth0", "DEVICE=eth0\nIPADDR=192.168.0.300\n")
    v0.write(SCRIPTS + "eth7", "DEVICE=eth7\nIPADDR=192.168.7.1\n")
    done = run_in_host(v0, ["systemctl", "restart", "network"])
    assert done.returncode == 1
    assert "Job for network.service failed" in done.stderr
    assert SCRIPTS + "eth0:2: IPADDR='192.168.0.300' is not an IPv4 address" in done.stderr
    assert "Device eth7 does not seem to be present" in done.stderr
    assert addresses(v0, "eth0") == [] and addresses(v0, "eth1") == ["192.168.1.10/24"]
    state = run_in_host(v0, ["systemctl", "is-active", "network"])
    assert (state.stdout, state.returncode) == ("failed\n", 3)


def test_several_addresses_and_ifdown(two: tuple[Host, Host]) -> None:
    v0, _ = two
    v0.write(
        SCRIPTS + "eth0",
        "DEVICE=eth0\nONBOOT=no\nIPADDR0=172.25.0.11\nPREFIX0=24\nIPADDR1=172.25.0.12\n"
        "PREFIX1=24\nGATEWAY0=172.25.0.254\nNOZEROCONF=yes\n",
    )
    assert run_in_host(v0, ["systemctl", "restart", "network"]).returncode == 0
    assert addresses(v0, "eth0") == []  # ONBOOT=no
    assert run_in_host(v0, ["ifup", "eth0"]).returncode == 0
    assert addresses(v0, "eth0") == ["172.25.0.11/24", "172.25.0.12/24"]
    assert routes(v0) == {
        "default via 172.25.0.254 dev eth0",
        "172.25.0.0/24 dev eth0 proto kernel scope link src 172.25.0.11",
    }
    assert run_in_host(v0, ["ifdown", "ifcfg-eth0"]).returncode == 0
    assert addresses(v0, "eth0") == [] and routes(v0) == set()
    assert "state DOWN" in run_in_host(v0, ["ip", "link", "show", "eth0"]).stdout
    missing = run_in_host(v0, ["ifup", "eth5"])
    assert missing.returncode == 1 and "configuration for 'eth5' not found" in missing.stderr


def test_the_file_is_never_run_and_never_waited_for(two: tuple[Host, Host]) -> None:
    v0, _ = two
    v0.write(
        SCRIPTS + "eth0",
        "DEVICE=eth0\ntouch /tmp/ran\nIPADDR=$(touch /tmp/ran)\nFOO=`touch /tmp/ran`\n",
        0o755,
    )
    v0.write(SCRIPTS + "eth1", "DEVICE='eth1 address 52:54:00:00:00:09'\nIPADDR=1.2.3.4\n")
    run_in_host(v0, ["mkfifo", SCRIPTS + "eth2"])
    run_in_host(v0, ["ln", "-s", "/dev/zero", SCRIPTS + "eth3"])
    done = run_in_host(v0, ["systemctl", "restart", "network"], timeout=5)
    assert done.returncode == 1
    assert "commands in $(...) are not run" in done.stderr and "is not a name" in done.stderr
    assert done.stderr.count("not a regular file") == 2
    assert run_in_host(v0, ["ls", "/tmp/ran"]).returncode != 0
    assert "52:54:00:00:00:09" not in run_in_host(v0, ["ip", "link"]).stdout


def test_dhcp_from_a_real_server(two: tuple[Host, Host]) -> None:
    v0, gw = two
    gw.write(SCRIPTS + "eth0", "DEVICE=eth0\nIPADDR=172.25.0.254\nPREFIX=24\n")
    assert run_in_host(gw, ["systemctl", "start", "network"]).returncode == 0
    gw.write(
        "/etc/dnsmasq.conf",
        "user=dnsmasq\nport=0\ninterface=eth0\nno-ping\ndhcp-authoritative\n"
        "dhcp-range=172.25.0.100,172.25.0.100,255.255.255.0,1h\n"
        "dhcp-option=option:router,172.25.0.254\n"
        "dhcp-option=option:dns-server,172.25.254.254\ndomain=example.com\n",
    )
    started = run_in_host(gw, ["systemctl", "start", "dnsmasq"])
    assert started.returncode == 0, started.stderr
    v0.write(
        SCRIPTS + "eth0",
        "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\nTYPE=Ethernet\nPEERDNS=yes\nPERSISTENT_DHCLIENT=1\n",
    )
    begin = time.monotonic()
    done = run_in_host(v0, ["systemctl", "restart", "network"])
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 6
    assert addresses(v0, "eth0") == ["172.25.0.100/24"]
    assert "default via 172.25.0.254 dev eth0" in routes(v0)
    assert v0.read("/etc/resolv.conf").splitlines()[1:] == ["search example.com", "nameserver 172.25.254.254"]
    assert run_in_host(v0, ["pgrep", "-x", "dhclient"]).returncode == 0
    assert run_in_host(v0, ["ifdown", "eth0"]).returncode == 0
    assert addresses(v0, "eth0") == []
    wait_until(lambda: run_in_host(v0, ["pgrep", "-x", "dhclient"]).returncode == 1)
    wait_until(lambda: "DHCPRELEASE" in gw.read("/var/log/messages"))  # the server was told

    v0.write("/etc/resolv.conf", "nameserver 192.0.2.1\n")
    v0.write(SCRIPTS + "eth0", "DEVICE=eth0\nBOOTPROTO=dhcp\nPEERDNS=no\n")
    assert run_in_host(v0, ["ifup", "eth0"]).returncode == 0
    assert addresses(v0, "eth0") == ["172.25.0.100/24"]
    assert v0.read("/etc/resolv.conf") == "nameserver 192.0.2.1\n"


@pytest.mark.slow
def test_dhcp_without_a_server(two: tuple[Host, Host]) -> None:
    v0, _ = two
    v0.write(SCRIPTS + "eth0", "DEVICE=eth0\nBOOTPROTO=dhcp\n")
    begin = time.monotonic()
    done = run_in_host(v0, ["ifup", "eth0"])
    assert done.returncode == 1 and "Determining IP information for eth0... failed" in done.stderr
    assert 5 < time.monotonic() - begin < 20
    wait_until(lambda: run_in_host(v0, ["pgrep", "-x", "dhclient"]).returncode == 1)  # reaped, too


def test_a_service_that_nobody_knows(v0: Host) -> None:
    assert run_in_host(v0, ["systemctl", "is-active", "foo"]).returncode == 4
    for action, status, said in (
        ("start", 5, "Unit foo.service not found"),
        ("stop", 5, "foo.service not loaded"),
        ("status", 4, "Unit foo.service could not be found"),
    ):
        done = run_in_host(v0, ["systemctl", action, "foo"])
        assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert run_in_host(v0, ["systemctl", "daemon-reload"]).returncode == 0
    assert run_in_host(v0, ["systemctl", "is-active", "sshd", "foo"]).stdout == "active\nunknown\n"
    assert run_in_host(v0, ["systemctl", "is-enabled", "named"]).stdout == "disabled\n"
    assert run_in_host(v0, ["systemctl", "enable", "named", "xinetd.service"]).returncode == 0
    assert run_in_host(v0, ["systemctl", "is-enabled", "named"]).stdout == "enabled\n"


@pytest.mark.parametrize(
    ("before", "servers", "domain", "after"),
    [
        ("", ["1.1.1.1"], None, "nameserver 1.1.1.1\n"),
        (
            "search a\nnameserver 9.9.9.9\n",
            ["1.1.1.1", "2.2.2.2"],
            None,
            "search a\nnameserver 1.1.1.1\nnameserver 2.2.2.2\n",
        ),
        (
            "nameserver 1.1.1.1\nnameserver 9.9.9.9\n",
            ["1.1.1.1"],
            None,
            "nameserver 1.1.1.1\nnameserver 9.9.9.9\n",
        ),
        ("search a\noptions x\n", [], "b", "options x\nsearch b a\n"),
        ("search a b\n", [], "b", "search a b\n"),
    ],
)
def test_resolv_conf(before: str, servers: list[str], domain: str | None, after: str) -> None:
    assert resolvconf.changed(before, servers, domain) == after
