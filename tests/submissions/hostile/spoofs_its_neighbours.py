# expect: score=100
# ARP answers, other hardware addresses, redirects, forged senders, routes: all that confuses a network.
import fcntl
import os
import socket
import struct
import subprocess

AF_PACKET, ETH_P_ARP, ETH_P_ALL = 17, 0x0806, 3
for family, kind, number in ((AF_PACKET, 3, socket.htons(ETH_P_ARP)), (AF_PACKET, 2, socket.htons(ETH_P_ALL)),
                             (2, 10, socket.htons(ETH_P_ALL)), (2, 3, 1), (2, 3, 255), (2, 3, 17), (10, 3, 58),
                             (2, 2, 1), (10, 2, 58), (16, 3, 0), (16, 3, 4), (16, 3, 12), (40, 1, 0), (29, 3, 1)):
    try:
        s = socket.socket(family, kind, number)
    except OSError as error:
        print(family, kind, number, error.strerror)
        continue
    if family == 16:
        # RTM_NEWROUTE: 192.168.1.11 by way of itself.
        body = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 3, 0, 1, 0) + struct.pack("=HH4s", 8, 1, bytes([192, 168, 1, 11]))
        s.send(struct.pack("=IHHII", 16 + len(body), 24, 5, 1, 0) + body)
        answer = s.recv(4096)
        if struct.unpack_from("=i", answer, 16)[0] == 0:
            raise SystemExit("GOT a route")
    else:
        # The sockets of ping are open to all on some machines.
        if (family, kind) not in ((2, 2), (10, 2)):
            raise SystemExit("GOT %s" % ((family, kind, number),))
any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for name, number, rest in (("SIOCSIFHWADDR", 0x8924, struct.pack("H6s", 1, b"\x02\0\0\0\0\1")), ("SIOCSIFADDR", 0x8916, b"\2\0\0\0\xc0\xa8\1\x0b"),
                           ("SIOCSIFFLAGS", 0x8914, struct.pack("h", 0x100)), ("SIOCSARP", 0x8955, b""), ("SIOCADDRT", 0x890B, b"")):
    try:
        fcntl.ioctl(any_socket, number, struct.pack("16s", b"eth1") + rest.ljust(112, b"\0"))
        raise SystemExit("GOT " + name)
    except OSError as error:
        print(name, error.strerror)
for option in ((0, 19, 1), (1, 25, b"eth0\0"), (1, 36, 1), (0, 3, b"\1"), (0, 4, b"\x83\7\4\xc0\xa8\1\xfe")):
    try:
        any_socket.setsockopt(*option)
        print("set", option)
        if option in ((0, 19, 1), (1, 36, 1)):
            raise SystemExit("GOT other senders, or marks")
    except OSError as error:
        print(option, error.strerror)
try:
    any_socket.bind(("192.168.1.254", 67))
    raise SystemExit("GOT the gateway's address")
except OSError as error:
    print(error.strerror)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
