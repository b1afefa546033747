"""Hosts reach each other as the topology says, and nothing else; nothing of the machine shows in them."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from labgrader.checking.probes import Capture, Unreached
from labgrader.errors import LabError
from labgrader.providers import Provider
from labgrader.remote.transport import Connection
from tests.contract.labs import LEFT, MIDDLE_0, MIDDLE_1, RIGHT, Up, running


def test_neighbours_exchange_bytes(up: Up) -> None:
    assert up.left.proves_reach(up.middle, MIDDLE_0)
    assert up.middle.proves_reach(up.left, LEFT)
    assert up.right.proves_reach(up.middle, MIDDLE_1)
    assert up.middle.proves_reach(up.right, RIGHT)


@contextmanager
def through_middle(up: Up, *, forward: bool) -> Iterator[None]:
    """Left and right take middle for their gateway, which passes packets on or does not."""
    up.middle.run("sysctl", "-q", "-w", f"net.ipv4.ip_forward={int(forward)}")
    up.left.run("ip", "route", "add", "192.168.1.0/24", "via", MIDDLE_0)
    up.right.run("ip", "route", "add", "192.168.0.0/24", "via", MIDDLE_1)
    try:
        yield
    finally:
        up.left.run("ip", "route", "del", "192.168.1.0/24")
        up.right.run("ip", "route", "del", "192.168.0.0/24")
        up.middle.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")


def test_host_between_two_networks_forwards_only_when_told(up: Up) -> None:
    assert not up.left.proves_reach(up.right, RIGHT), "there is no route"
    assert up.middle.run("sysctl", "-n", "net.ipv4.ip_forward")[1].strip() == "0", "it is off by default"
    with through_middle(up, forward=False):
        assert not up.left.ping(RIGHT, timeout_s=1.0)
    with through_middle(up, forward=True):
        assert up.left.proves_reach(up.right, RIGHT)
        assert up.left.ping(RIGHT)
    assert not up.left.proves_reach(up.right, RIGHT)


def test_broadcast_stays_in_its_network(up: Up) -> None:
    word = secrets.token_bytes(12)
    send = (
        "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1);"
        "s.sendto(bytes.fromhex(sys.argv[1]), ('192.168.1.255', 9))"
    )
    with up.left.capture("eth0") as left, up.middle.capture("eth0") as far, up.middle.capture("eth1") as near:
        up.right.run("python3", "-c", send, word.hex())
        # The second one shows that captures on the other network were awake all the while.
        assert up.left.ping(MIDDLE_0)
        until_heard(near, word)
        heard = {name: b"".join(one.frames()) for name, one in (("left", left), ("far", far))}
    assert word not in heard["left"] + heard["far"]
    assert heard["left"] and heard["far"], "the captures see what there is"


def until_heard(capture: Capture, word: bytes) -> None:
    deadline = time.monotonic() + 10
    while word not in b"".join(capture.frames()):
        assert time.monotonic() < deadline, "the broadcast did not come"
        time.sleep(0.005)


def test_there_is_no_way_out(up: Up) -> None:
    for host in up.hosts:
        links = {item["ifname"] for item in json.loads(host.run("ip", "-json", "link")[1])}
        assert links == {"lo", *(nic.name for nic in host.machine.nics)}
        with pytest.raises(Unreached, match="unreachable"):
            host.connect("192.0.2.1", 80)
        routes = host.run("ip", "route", "show", "table", "all")[1] + host.run("ip", "-6", "route")[1]
        assert "default" not in routes
        status, said = host.run("ip", "route", "get", "192.0.2.1", check=False)
        assert status != 0 and "unreachable" in said


def test_machine_s_own_services_are_out_of_reach(up: Up) -> None:
    word = secrets.token_hex(8).encode()
    name = f"\0labgrader-test-{secrets.token_hex(4)}"
    client = "import socket, sys; s = socket.socket(1); s.connect('\\0' + sys.argv[1]); print(s.recv(99))"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
        local.bind(name)
        local.listen(8)
        port = tcp.getsockname()[1]
        for listener in (tcp, local):
            threading.Thread(target=_greet, args=(listener, word), daemon=True).start()
        # The control: whoever is on this machine does reach them.
        with socket.create_connection(("127.0.0.1", port), 5) as link:
            assert link.recv(99) == word
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(name)
            assert link.recv(99) == word

        for host in up.hosts:
            assert host.proves_reach(host, "127.0.0.1"), "its own loopback works"
            with pytest.raises(Unreached, match="refused"):
                host.connect("127.0.0.1", port)
            status, said = host.run("python3", "-c", client, name[1:], check=False)
            assert status != 0 and "ConnectionRefusedError" in said


def _greet(listener: socket.socket, word: bytes) -> None:
    try:
        while True:
            link, _ = listener.accept()
            with link:
                link.sendall(word)
    except OSError:
        return


def test_every_host_has_its_own_name(up: Up) -> None:
    for host in up.hosts:
        assert host.run("hostname")[1].strip() == host.hostname
    assert socket.gethostname() not in {host.hostname for host in up.hosts}


def test_nobody_manages_a_host_over_the_lab_s_networks(up: Up) -> None:
    for host in up.hosts:
        assert not [item for item in host.sockets() if item.proto.startswith("tcp") and item.port == 22]
    with pytest.raises(Unreached, match="refused"):
        up.left.connect(MIDDLE_0, 22)


def test_two_labs_at_once_with_the_same_addresses_do_not_meet(provider: Provider, up: Up) -> None:
    with running(provider) as other:
        assert other.lease.lab_id != up.lease.lab_id
        for lab in (up, other):
            assert lab.left.proves_reach(lab.middle, MIDDLE_0), "each of its own"
        answer = other.middle.hands.ask("serve_word", address="0.0.0.0", port=4321, timeout=30)
        with other.left.capture("eth0") as heard, up.left.capture("eth0") as nothing:
            with pytest.raises(Unreached, match="refused"):
                up.left.connect(MIDDLE_0, 4321)
            with other.left.connect(MIDDLE_0, 4321) as conversation:
                assert conversation.receive().data == answer["word"].encode()
            until_heard(heard, answer["word"].encode())
            assert answer["word"].encode() not in b"".join(nothing.frames())
        keys = [access.host_key for lab in (up, other) for access in lab.lease.hosts.values()]
        assert len(set(keys)) == len(keys), "every host of every lab has a key of its own"
        for wrong in (
            replace(other.lease.hosts["left"], host_key=up.lease.hosts["left"].host_key),
            replace(up.lease.hosts["left"], client_key=other.lease.hosts["left"].client_key),
            replace(other.lease.hosts["left"], host_key=other.lease.hosts["right"].host_key),
        ):
            with pytest.raises(LabError, match=r"left: "):
                Connection(wrong)
    assert up.left.proves_reach(up.middle, MIDDLE_0), "the other's end does not concern it"
