# expect: score=100
# Knocks on V1's ports before it serves; V1 must be none the worse for it.
import socket
import time

until = time.monotonic() + 2
for port in list(range(1, 1024)) + [2222, 5000, 8000, 11200]:
    if time.monotonic() > until:
        break
    k = socket.socket()
    k.settimeout(0.05)
    if k.connect_ex(("192.168.1.11", port)) == 0:
        print("V1 is open on", port)
        try:
            k.sendall(b"\0" * 1000)
        except OSError:
            pass
    k.close()
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
