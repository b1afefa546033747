"""The kernel's listening sockets, by netlink: sock_diag(7).

/proc/net/tcp walks the whole table of connections for each reading, some milliseconds on a large machine;
a question for listening sockets alone is answered at once. Where the kernel does not answer (a module
that is not there), the caller reads /proc.
"""

import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
LISTEN, UNCONNECTED = 10, 7
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBBxI48x")
# inet_diag_msg: family, state, timer, retrans; ports; addresses; interface, cookie; five counters.
MESSAGE = struct.Struct("=BBBB2s2s16s16sI8sIIIII")
KINDS = (
    ("tcp", socket.AF_INET, socket.IPPROTO_TCP, LISTEN),
    ("tcp6", socket.AF_INET6, socket.IPPROTO_TCP, LISTEN),
    ("udp", socket.AF_INET, socket.IPPROTO_UDP, UNCONNECTED),
    ("udp6", socket.AF_INET6, socket.IPPROTO_UDP, UNCONNECTED),
)


def listening():
    """Listening TCP and unconnected UDP sockets of this network namespace, in the form of agent_host.sockets.

    Raises OSError where the kernel has no sock_diag for one of the kinds.
    """
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(2.0)
        for name, family, protocol, state in KINDS:
            body = REQUEST.pack(family, protocol, 0, 1 << state)
            link.send(
                HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 0, 0) + body
            )
            for message in _messages(link):
                fields = MESSAGE.unpack_from(message)
                raw = fields[6][:4] if family == socket.AF_INET else fields[6]
                found.append(
                    {
                        "proto": name,
                        "address": socket.inet_ntop(family, raw),
                        "port": struct.unpack("!H", fields[4])[0],
                        "state": fields[1],
                        "uid": fields[13],
                        "inode": fields[14],
                    }
                )
    return found


def _messages(link):
    """The bodies of one dump's messages."""
    while True:
        data = link.recv(1 << 18)
        while data:
            length, kind, _flags, _sequence, _pid = HEADER.unpack_from(data)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                code = -struct.unpack_from("=i", data, HEADER.size)[0]
                raise OSError(code, os.strerror(code))
            yield data[HEADER.size : length]
            data = data[(length + 3) & ~3 :]
