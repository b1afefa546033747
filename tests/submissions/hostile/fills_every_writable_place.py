# expect: score=100
# Fills whatever it may write to until nothing more goes in, and then serves as if nothing had been.
import os
import socket
import time

until = time.monotonic() + 3
for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", os.path.expanduser("~"), "/var/lock", "/dev/mqueue"):
    try:
        with open(os.path.join(place, "filler"), "wb", buffering=0) as f:
            while time.monotonic() < until and f.write(b"\0" * (1 << 18)):
                pass
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
