"""The management interface's DHCP client: what it asks, what it believes, and when it asks again."""

from __future__ import annotations

import importlib.util
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

PATH = Path(__file__).resolve().parents[2] / "src/labgrader/guest/lib/management_dhcp.py"
# Guest code has no package: it lies flat in /usr/lib/labgrader.
SPEC = importlib.util.spec_from_file_location("management_dhcp", PATH)
assert SPEC is not None and SPEC.loader is not None
dhcp: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(dhcp)
MAC = "52:54:00:00:00:01"
RAW = bytes.fromhex(MAC.replace(":", ""))


class Wire:
    """Keeps what was sent; its other end is the test."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.broken = False

    def sendto(self, packet: bytes, _to: tuple[str, int]) -> None:
        if self.broken:
            raise OSError("Network is down")
        self.sent.append(packet)


def options(packet: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    rest = packet[240:]
    while rest[0] != 255:
        found[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    return found


def answer(question: bytes, kind: int, address: str = "10.121.0.7", seconds: int = 3600) -> bytes:
    """What a server says to `question`."""
    head = bytearray(question[:240])
    head[0] = 2
    head[16:20] = socket.inet_aton(address)
    said = {53: bytes([kind]), 54: socket.inet_aton("10.121.0.1"), 1: socket.inet_aton("255.255.255.0")}
    said[51] = struct.pack("!I", seconds)
    return bytes(head) + b"".join(bytes([c, len(v)]) + v for c, v in said.items()) + b"\xff"


def bound(wire: Wire, now: float = 0.0) -> Any:
    """A client that has its address."""
    client = dhcp.Client(wire, MAC)
    client.ask(now)
    assert client.take(answer(wire.sent[-1], dhcp.OFFER), now) is None
    client.ask(now)
    assert client.take(answer(wire.sent[-1], dhcp.ACK), now)["address"] == "10.121.0.7"
    return client


def test_it_asks_takes_the_offer_and_has_an_address() -> None:
    wire = Wire()
    client = bound(wire)
    first, second = wire.sent
    assert options(first)[53] == bytes([dhcp.DISCOVER]) and 50 not in options(first)
    assert options(second)[53] == bytes([dhcp.REQUEST])
    assert options(second)[50] == socket.inet_aton("10.121.0.7")
    assert options(second)[54] == socket.inet_aton("10.121.0.1")
    assert first[4:8] == second[4:8] and first[28:34] == RAW
    assert first[10:12] == b"\x80\x00", "an answer by broadcast: there is no address yet to answer to"
    assert client.lease["mask"] == "255.255.255.0"


def test_it_asks_more_and_more_rarely_and_never_gives_up() -> None:
    wire = Wire()
    client = dhcp.Client(wire, MAC)
    now, waits = 0.0, []
    for _ in range(8):
        client.ask(now)
        waits.append(client.due - now)
        now = client.due
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert len(wire.sent) == 8


def test_a_server_that_offers_and_vanishes_is_not_asked_for_ever() -> None:
    wire = Wire()
    client = dhcp.Client(wire, MAC)
    client.ask(0.0)
    client.take(answer(wire.sent[-1], dhcp.OFFER), 0.0)
    for _ in range(12):
        client.ask(client.due)
    assert dhcp.DISCOVER in [options(packet)[53][0] for packet in wire.sent[-3:]]


def test_half_way_through_its_lease_it_asks_for_the_same_address_and_stays_as_it_is() -> None:
    wire = Wire()
    client = bound(wire)
    assert client.due == min(dhcp.RENEW_MOST_S, 1800.0)
    client.ask(client.due)
    assert options(wire.sent[-1])[50] == socket.inet_aton("10.121.0.7") and 54 not in options(wire.sent[-1])
    assert client.take(answer(wire.sent[-1], dhcp.ACK), client.due) is None, "nothing to configure anew"
    assert client.lease["address"] == "10.121.0.7"


def test_no_answer_to_that_leaves_the_address_where_it_is() -> None:
    wire = Wire()
    client = bound(wire)
    for _ in range(20):
        client.ask(client.due)
    assert client.lease["address"] == "10.121.0.7"


def test_a_refusal_makes_it_start_anew() -> None:
    wire = Wire()
    client = bound(wire)
    client.ask(client.due)
    client.take(answer(wire.sent[-1], dhcp.NAK), 5000.0)
    client.ask(client.due)
    assert options(wire.sent[-1])[53] == bytes([dhcp.DISCOVER])
    client.take(answer(wire.sent[-1], dhcp.OFFER, "10.121.0.9"), 5000.0)
    client.ask(client.due)
    assert client.take(answer(wire.sent[-1], dhcp.ACK, "10.121.0.9"), 5000.0)["address"] == "10.121.0.9"


def test_a_link_that_is_down_is_asked_again_later() -> None:
    wire = Wire()
    wire.broken = True
    client = dhcp.Client(wire, MAC)
    client.ask(0.0)
    assert client.due == 0.5
    wire.broken = False
    client.ask(client.due)
    assert len(wire.sent) == 1


@pytest.mark.parametrize("byte", [0, 4, 28, 236])
def test_what_is_not_meant_for_it_is_not_believed(byte: int) -> None:
    wire = Wire()
    client = dhcp.Client(wire, MAC)
    client.ask(0.0)
    packet = bytearray(answer(wire.sent[-1], dhcp.OFFER))
    packet[byte] ^= 0xFF
    client.take(bytes(packet), 0.0)
    assert client.offer is None


@given(st.binary(max_size=400))
def test_no_packet_breaks_it(data: bytes) -> None:
    wire = Wire()
    client = dhcp.Client(wire, MAC)
    client.ask(0.0)
    head = answer(wire.sent[-1], dhcp.OFFER)[:240]
    for packet in (data, head + data):
        client.take(packet, 0.0)
