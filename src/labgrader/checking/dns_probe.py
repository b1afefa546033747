"""DNS questions from a host of the lab: dnspython makes and reads the messages, the host carries them."""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from labgrader.checking.probes import Host, Unreached

PORT = 53


def ask(
    host: Host,
    server: str,
    name: str,
    kind: str = "A",
    *,
    tcp: bool = False,
    recurse: bool = True,
    timeout_s: float = 4.0,
    source: str | None = None,
) -> dns.message.Message:
    """Ask `server` from `host` for `name` and return its answer, whatever its rcode.

    Raises Unreached (reason refused, timeout, …; "no DNS message" for bytes that are none).
    """
    query = dns.message.make_query(name, kind)
    if not recurse:
        query.flags &= ~dns.flags.RD
    wire = query.to_wire()
    if tcp:
        with host.connect(server, PORT, timeout_s=timeout_s, source=source) as conversation:
            # RFC 1035, 4.2.2: over TCP a message comes after its length in two bytes.
            conversation.send(struct.pack("!H", len(wire)) + wire, timeout_s)
            head = conversation.receive(timeout_s, at_least=2)
            wanted = 2 + struct.unpack("!H", head.data[:2])[0] if len(head.data) >= 2 else 2
            data = head.data
            if len(data) < wanted:
                data += conversation.receive(timeout_s, at_least=wanted - len(data)).data
            data = data[2:]
    else:
        data = host.udp(server, PORT, wire, timeout_s=timeout_s, source=source)
    try:
        answer = dns.message.from_wire(data)
    except dns.exception.DNSException as error:
        raise Unreached(host.hostname, f"{server}:53", "no DNS message") from error
    if not query.is_response(answer):
        raise Unreached(host.hostname, f"{server}:53", "an answer to something else")
    return answer


def texts(answer: dns.message.Message, kind: str) -> set[str]:
    """The data of all records of `kind` in the answer section, as text (names without the final dot)."""
    wanted = dns.rdatatype.from_text(kind)
    return {
        record.to_text().rstrip(".").strip('"')
        for rrset in answer.answer
        if rrset.rdtype == wanted
        for record in rrset
    }


def rcode(answer: dns.message.Message) -> str:
    """The response code's name, such as NOERROR, SERVFAIL, REFUSED."""
    return dns.rcode.to_text(answer.rcode())
