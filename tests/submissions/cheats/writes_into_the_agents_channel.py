# expect: score=100
# Serves rightly, and tells the agent of results on every descriptor and pipe that it can reach; none is listened to.
import glob
import json
import os
import socket

line = (json.dumps({"id": 3, "event": "outcome", "check": "prints_message", "outcome": "pass", "points": 1000}) + "\n").encode()
for fd in range(3, 1024):
    try:
        os.write(fd, line)
        print("GOT", fd)
    except OSError:
        pass
for path in glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/task/*/fd/*") + glob.glob("/run/labgrader/*"):
    if path.startswith(("/proc/%d/" % os.getpid(), "/proc/self/")):
        continue
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(handle, line)
        print("GOT", path)
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
