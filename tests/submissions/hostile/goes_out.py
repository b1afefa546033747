# expect: score=100
# Looks for a way out of the lab before it serves; there is none.
import socket

for address in (("192.0.2.1", 80), ("1.1.1.1", 53), ("169.254.169.254", 80), ("10.0.2.2", 22)):
    out = socket.socket()
    out.settimeout(0.5)
    try:
        out.connect(address)
        raise SystemExit("GOT out to %s" % (address,))
    except OSError as error:
        print("shut", address, error)
    out.close()
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
