"""Reading captured Ethernet frames: IPv4, UDP and ICMP, as far as checks need them. Pure.

Facts: RFC 791 (IPv4), RFC 768 (UDP), RFC 792 (ICMP).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ICMP = 1
UDP = 17
ECHO_REQUEST = 8


@dataclass(frozen=True)
class Packet:
    """One IPv4 packet: addresses, protocol number, UDP ports (0 for others) and what follows its header."""

    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    payload: bytes


def parse(frame: bytes) -> Packet | None:
    """The IPv4 packet in an Ethernet frame, or None for anything else or anything cut short."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00":
        return None
    ip = frame[14:]
    header = (ip[0] & 15) * 4
    if ip[0] >> 4 != 4 or header < 20 or len(ip) < header:
        return None
    total = struct.unpack("!H", ip[2:4])[0]
    payload = ip[header:total]
    source_port = destination_port = 0
    if ip[9] == UDP:
        if len(payload) < 8:
            return None
        source_port, destination_port = struct.unpack("!HH", payload[:4])
        payload = payload[8:]
    return Packet(
        str(ipaddress.IPv4Address(ip[12:16])),
        str(ipaddress.IPv4Address(ip[16:20])),
        ip[9],
        source_port,
        destination_port,
        payload,
    )
