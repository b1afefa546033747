# expect: score=100
# Sits down at every socket by which the machine could be managed, and connects to those that it can see.
import glob
import os
import re
import socket

paths = re.findall(r"\s(/\S+|@\S+)$", open("/proc/net/unix").read(), re.MULTILINE)
paths += glob.glob("/run/*") + glob.glob("/run/*/*") + ["/run/labgrader/v0.sock", "/run/v0.sock", "/tmp/v0.sock"]
kept = []
for path in paths:
    for what in ("connect", "bind"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(0.2)
        try:
            getattr(s, what)("\0" + path[1:] if path[0] == "@" else path)
            if what == "connect" or not path.startswith(("/tmp/", "@")):
                raise SystemExit("GOT %s %s" % (what, path))
            kept.append(s)
        except OSError as error:
            s.close()
for n in range(64):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.bind("\0/run/labgrader/%d" % n)
        s.listen()
        kept.append(s)
    except OSError:
        s.close()
for port in (22, 2222):
    try:
        kept.append(socket.create_server(("", port)))
        print("has", port)
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
