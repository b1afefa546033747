"""A DHCP client for the management interface: asks on one socket, keeps what it got (RFC 2131).

No program is started and no file is written. The address is kept for the life of the machine; asking
again from time to time only keeps the server's own list of leases true.
"""

import os
import socket
import struct

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
MASK, ADDRESS, LEASE_TIME, KIND, SERVER, WANTED = 1, 50, 51, 53, 54, 55
SHORTEST_S, LONGEST_S = 0.5, 8.0  # between two questions while there is no answer
RENEW_MOST_S = 600.0


def question(kind, mac, number, address=None, server=None):
    """A DHCPDISCOVER or DHCPREQUEST; mac: 6 bytes, address and server: dotted, where they are known."""
    fixed = struct.pack(
        "!BBBBIHH4s4s4s4s16s192x", 1, 1, 6, 0, number, 0, 0x8000, b"", b"", b"", b"", mac + bytes(10)
    )
    options = [(KIND, bytes([kind])), (61, b"\x01" + mac), (WANTED, bytes([MASK, LEASE_TIME]))]
    if address is not None:
        options.append((ADDRESS, socket.inet_aton(address)))
    if server is not None:
        options.append((SERVER, socket.inet_aton(server)))
    return fixed + MAGIC + b"".join(bytes([c, len(v)]) + v for c, v in options) + b"\xff"


def reply(packet, mac, number):
    """What a server answered to our question: {"kind", "address", "mask", "server", "seconds"}, or None."""
    if len(packet) < 240 or packet[0] != 2 or packet[236:240] != MAGIC:
        return None
    if packet[4:8] != struct.pack("!I", number) or packet[28:34] != mac:
        return None
    options = _options(packet[240:])
    if len(options.get(KIND, b"")) != 1:
        return None
    return {
        "kind": options[KIND][0],
        "address": socket.inet_ntoa(packet[16:20]),
        "mask": _dotted(options.get(MASK)) or "255.255.255.0",
        "server": _dotted(options.get(SERVER)),
        "seconds": struct.unpack("!I", options[LEASE_TIME])[0]
        if len(options.get(LEASE_TIME, b"")) == 4
        else 0,
    }


def _options(data):
    found = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data):
            break
        length = data[at + 1]
        found[data[at]] = data[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _dotted(raw):
    return socket.inet_ntoa(raw) if raw is not None and len(raw) == 4 else None


class Client:
    """Asks until there is an address: ``ask`` at ``due`` (monotonic seconds), ``take`` each packet."""

    def __init__(self, sock, mac):
        self.sock = sock
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.offer = None
        self.lease = None
        self.due = 0.0
        self._wait = SHORTEST_S
        self._number = 0

    def ask(self, now):
        """Send the next question: for an offer, for the offered address, or for the one that is had."""
        known = self.lease or self.offer
        if self.offer is None:
            self._number = struct.unpack("!I", os.urandom(4))[0]
        try:
            if known is None:
                self._send(question(DISCOVER, self.mac, self._number))
            else:
                server = known["server"] if self.offer is not None else None
                self._send(question(REQUEST, self.mac, self._number, known["address"], server))
        except OSError:
            pass  # the link is not there yet; the next question may pass
        if self.lease is None and self._wait >= LONGEST_S:
            self.offer = None  # a server that offered and is gone
        self.due = now + self._wait
        self._wait = min(LONGEST_S, self._wait * 2)

    def _send(self, packet):
        self.sock.sendto(packet, ("255.255.255.255", 67))

    def take(self, packet, now):
        """Look at a packet; the lease when it brings one that is not the present one, else None."""
        said = reply(packet, self.mac, self._number)
        if said is None:
            return None
        if said["kind"] == OFFER and said["server"] and self.offer is None and self.lease is None:
            self.offer = said
            self._wait, self.due = SHORTEST_S, now
        elif said["kind"] == NAK:
            self.offer = self.lease = None
            self._wait, self.due = SHORTEST_S, now
        elif said["kind"] == ACK and said["address"] != "0.0.0.0":
            fresh = self.lease is None or self.lease["address"] != said["address"]
            self.lease, self.offer = said, None
            self._wait = SHORTEST_S
            self.due = now + max(10.0, min(RENEW_MOST_S, said["seconds"] / 2 or RENEW_MOST_S))
            return said if fresh else None
        return None
