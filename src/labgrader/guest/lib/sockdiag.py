"""The kernel's sockets by netlink: those that listen, the memory of all, the end of some. sock_diag(7).

/proc/net/tcp walks the whole table of connections for each reading, some milliseconds on a large machine;
a question for listening sockets alone is answered at once. Where the kernel does not answer (a module
that is not there), the caller reads /proc.
"""

import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
NLM_F_REQUEST_DUMP, NLM_F_REQUEST_ACK = 0x301, 0x5
NLMSG_ERROR, NLMSG_DONE = 2, 3
LISTEN, UNCONNECTED = 10, 7
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBBxI48x")
# inet_diag_msg: family, state, timer, retrans; ports; addresses; interface, cookie; five counters.
MESSAGE = struct.Struct("=BBBB2s2s16s16sI8sIIIII")
# unix_diag_req: family, protocol, padding, states, inode, what to show, cookie (linux/unix_diag.h).
UNIX_REQUEST = struct.Struct("=BxxxI4xI8x")
# What names a socket, at the same place in a request and in an answer: ports, addresses, interface, cookie.
NAME = slice(4, 52)
UNIX_SHOW_MEMORY, UNIX_MESSAGE_SIZE = 0x20, 16
# The attributes with a socket's memory: nine numbers, SK_MEMINFO_* of linux/sock_diag.h.
INET_MEMORY, UNIX_MEMORY = 7, 5
EVERY_STATE = 0xFFFFFFFF
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
    with _opened() as link:
        for name, family, protocol, state in KINDS:
            for message in _dump(link, REQUEST.pack(family, protocol, 0, 1 << state)):
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


def buffers():
    """Bytes in the buffers of all TCP, UDP and Unix sockets of this network namespace, whoever owns them.

    Raises OSError where the kernel has no sock_diag for one of the kinds.
    """
    total = 0
    with _opened() as link:
        for _name, family, protocol, _state in KINDS:
            for message in _dump(link, REQUEST.pack(family, protocol, 1 << (INET_MEMORY - 1), EVERY_STATE)):
                total += _held(message, MESSAGE.size, INET_MEMORY)
        for message in _dump(link, UNIX_REQUEST.pack(socket.AF_UNIX, EVERY_STATE, UNIX_SHOW_MEMORY)):
            total += _held(message, UNIX_MESSAGE_SIZE, UNIX_MEMORY)
    return total


def forget(port, state):
    """End the connections on TCP `port` that are in `state` and no program's any more.

    Raises OSError where the kernel has no sock_diag, or cannot end sockets (CONFIG_INET_DIAG_DESTROY).
    """
    with _opened() as link:
        for family in (socket.AF_INET, socket.AF_INET6):
            begin = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << state)
            for message in list(_dump(link, begin)):
                fields = MESSAGE.unpack_from(message)
                if struct.unpack("!H", fields[4])[0] == port and fields[14] == 0:
                    body = begin[:8] + message[NAME]
                    size = HEADER.size + len(body)
                    link.send(HEADER.pack(size, SOCK_DESTROY, NLM_F_REQUEST_ACK, 0, 0) + body)
                    list(_messages(link))


def _held(message, at, wanted):
    """What one socket holds, by the attribute `wanted` of its message, whose attributes begin at `at`."""
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4:
            break
        if kind == wanted:
            values = struct.unpack_from("=%dI" % ((length - 4) // 4), message, at + 4)
            received, _, sending, _, forward, queued, _, backlog = values[:8]
            return received + max(sending, queued) + forward + backlog
        at += (length + 3) & ~3
    return 0


def _opened():
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    link.settimeout(2.0)
    return link


def _dump(link, body):
    """Ask for a list; the bodies of the messages that it comes in."""
    link.send(HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 0, 0) + body)
    return _messages(link)


def _messages(link):
    """The bodies of one dump's messages; none for what was done and acknowledged."""
    while True:
        data = link.recv(1 << 18)
        while data:
            length, kind, _flags, _sequence, _pid = HEADER.unpack_from(data)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                code = -struct.unpack_from("=i", data, HEADER.size)[0]
                if code == 0:
                    return
                raise OSError(code, os.strerror(code))
            yield data[HEADER.size : length]
            data = data[(length + 3) & ~3 :]
