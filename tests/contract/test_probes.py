"""What a check does from a host, each against a real daemon on another host of the lab."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.flags
import pytest

from labgrader.checking import dns_probe, telnet
from labgrader.checking.probes import Unreached
from labgrader.providers import Provider
from tests.contract.labs import LEFT, MIDDLE_0, Up, running

NAMED = """
options {
    directory "/var/named";
    listen-on { any; };
    listen-on-v6 { none; };
    recursion no;
    allow-query { any; };
};
zone "lab.test" { type master; file "lab.test.zone"; };
"""
ZONE = """$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 192.168.0.10
www CNAME ns
"""
LONG = "long TXT " + " ".join(f'"{chr(97 + number) * 200}"' for number in range(12)) + "\n"
TELNET = """
service telnet
{
    flags = REUSE
    socket_type = stream
    wait = no
    user = root
    server = /usr/sbin/in.telnetd
    disable = no
}
"""


@pytest.fixture(scope="module")
def daemons(provider: Provider) -> Iterator[Up]:
    """A lab whose middle runs named and xinetd."""
    with running(provider) as lab:
        named = int(lab.middle.hands.ask("account", name="named")["gid"])
        put = lab.middle.connection.put
        assert put("/etc/named.conf", NAMED.encode(), mode=0o640, uid=0, gid=named)
        assert put("/var/named/lab.test.zone", (ZONE + LONG).encode(), mode=0o640, uid=0, gid=named)
        assert put("/etc/xinetd.d/telnet", TELNET.encode(), mode=0o644, uid=0, gid=0)
        for service in ("named", "xinetd"):
            lab.middle.run("systemctl", "restart", service, timeout_s=60)
        yield lab


def test_systemctl_tells_the_truth(daemons: Up) -> None:
    assert daemons.middle.run("systemctl", "is-active", "named")[1].strip() == "active"
    assert daemons.left.run("systemctl", "is-active", "named", check=False)[0] != 0
    listening = {(item.proto, item.address, item.port) for item in daemons.middle.sockets()}
    assert {("tcp", MIDDLE_0, 53), ("udp", MIDDLE_0, 53)} <= listening
    assert any(port == 23 and proto.startswith("tcp") for proto, _address, port in listening)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_dns_over(daemons: Up, tcp: bool) -> None:
    answer = dns_probe.ask(daemons.left, MIDDLE_0, "www.lab.test", tcp=tcp)
    assert dns_probe.rcode(answer) == "NOERROR"
    assert dns_probe.texts(answer, "CNAME") == {"ns.lab.test"}
    assert dns_probe.texts(answer, "A") == {MIDDLE_0}
    assert dns_probe.rcode(dns_probe.ask(daemons.left, MIDDLE_0, "no.lab.test", tcp=tcp)) == "NXDOMAIN"
    assert dns_probe.rcode(dns_probe.ask(daemons.left, MIDDLE_0, "example.com", tcp=tcp)) == "REFUSED"


def test_long_answer_is_cut_over_udp_and_whole_over_tcp(daemons: Up) -> None:
    assert dns_probe.ask(daemons.left, MIDDLE_0, "long.lab.test", "TXT").flags & dns.flags.TC
    whole = dns_probe.ask(daemons.left, MIDDLE_0, "long.lab.test", "TXT", tcp=True)
    assert sum(len(text) for text in dns_probe.texts(whole, "TXT")) > 2400


def test_udp_without_a_listener_is_refused(daemons: Up) -> None:
    with pytest.raises(Unreached) as caught:
        daemons.left.udp(MIDDLE_0, 9999, b"anybody?")
    assert caught.value.reason == "refused"


def test_tcp_conversation_with_a_daemon(daemons: Up) -> None:
    with daemons.left.connect(MIDDLE_0, 23) as conversation:
        assert conversation.local_address == LEFT
        assert conversation.receive().data.startswith(b"\xff"), "telnetd begins with an option (RFC 854)"
        conversation.send(b"\r\n")
    with pytest.raises(Unreached, match="refused"):
        daemons.left.connect(MIDDLE_0, 9999)


def test_ping(daemons: Up) -> None:
    assert daemons.left.ping(MIDDLE_0)
    assert not daemons.left.ping("192.168.0.99", timeout_s=1.0)


def test_capture_sees_what_passes(daemons: Up) -> None:
    with daemons.middle.capture("eth0") as capture:
        dns_probe.ask(daemons.left, MIDDLE_0, "www.lab.test")
        question = b"\x03www\x03lab\x04test\x00"
        deadline = time.monotonic() + 10
        while sum(question in frame for frame in capture.frames()) < 2:
            assert time.monotonic() < deadline, "question and answer were not both seen"
            time.sleep(0.005)
    with daemons.middle.capture("eth1") as capture:
        dns_probe.ask(daemons.left, MIDDLE_0, "www.lab.test")
        assert not [frame for frame in capture.frames() if question in frame]


def test_telnet_login_has_a_terminal(daemons: Up) -> None:
    with telnet.Session(daemons.left, MIDDLE_0) as session:
        assert session.log_in("lisi", "1"), session.transcript
        assert session.user_id() == 1000
        session.send_line("tty; echo done-$((1+1))")
        assert session.expect("/dev/pts/[0-9]+") == 0, session.transcript
        assert session.expect("done-2") == 0
    with telnet.Session(daemons.left, MIDDLE_0) as session:
        assert not session.log_in("lisi", "wrong")


def test_device_nodes(daemons: Up) -> None:
    for host in daemons.hosts:
        script = (
            'set -e; echo gone > /dev/null; test -z "$(cat /dev/null)";'
            "head -c 4 /dev/zero | od -An -tx1; ! echo x 2>/dev/null > /dev/full;"
            "test $(head -c 64 /dev/urandom | wc -c) = 64; test $(head -c 8 /dev/random | wc -c) = 8;"
            "echo through > /dev/stdout; test -c /dev/ptmx; test -d /dev/pts; test -d /dev/shm"
        )
        assert host.run("sh", "-c", script)[1].split() == ["00"] * 4 + ["through"]


def test_pseudo_terminal_over_ssh(daemons: Up) -> None:
    channel = daemons.left.connection.channel("tty; stty size; exit 5", terminal=True)
    said = b""
    while piece := channel.recv(4096):
        said += piece
    assert said.split()[0].startswith(b"/dev/pts/")
    assert said.split()[1:] == [b"24", b"80"]
    assert channel.recv_exit_status() == 5


def test_clock_is_what_xinetd_goes_by(daemons: Up) -> None:
    middle = daemons.middle
    hours = TELNET.replace("disable = no", "disable = no\n    access_times = 08:00-12:00")
    middle.connection.put("/etc/xinetd.d/telnet", hours.encode(), mode=0o644, uid=0, gid=0)
    try:
        middle.run("systemctl", "restart", "xinetd", timeout_s=60)
        for moment, served in (("2026-03-02T11:59:00", True), ("2026-03-02T12:01:00", False)):
            middle.set_clock(moment)
            assert telnet.serves(daemons.left, MIDDLE_0) is served, moment
    finally:
        middle.reset_clock()
        middle.connection.put("/etc/xinetd.d/telnet", TELNET.encode(), mode=0o644, uid=0, gid=0)
        middle.run("systemctl", "restart", "xinetd", timeout_s=60)
    assert telnet.serves(daemons.left, MIDDLE_0)
    _status, now = middle.run("date", "+%s")
    assert abs(int(now) - time.time()) < 60
    with pytest.raises(ValueError, match="noon"):
        middle.set_clock("noon")
