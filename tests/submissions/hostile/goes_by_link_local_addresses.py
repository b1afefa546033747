# expect: score=100
# Looks for V1 where no IPv4 rule is: link-local IPv6, all nodes, IPv4 link-local, multicast and broadcast.
import socket

for address in ("fe80::1", "ff02::1", "ff02::2", "::ffff:127.0.0.1"):
    for name in ("eth0", "eth1", "lo"):
        try:
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.settimeout(0.1)
            s.sendto(b"anybody?", (address, 7, 0, socket.if_nametoindex(name)))
            print(address, name, "sent")
            raise SystemExit("GOT %s" % (s.recvfrom(100),))
        except OSError as error:
            print(address, name, error)
for address in ("169.254.1.1", "169.254.169.254", "224.0.0.1", "224.0.0.251", "255.255.255.255", "192.168.1.255"):
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(0.1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"anybody?", (address, 7))
        raise SystemExit("GOT %s" % (s.recvfrom(100),))
    except OSError as error:
        print(address, error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
