# expect: score=100
# Folders that nobody may enter, in places that are emptied between two starts, and home closed to its owner.
import os
import socket

for place in ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~")):
    os.makedirs(place + "/a/b/c", exist_ok=True)
    open(place + "/a/b/c/f", "w").close()
    for path in ("/a/b/c/f", "/a/b/c", "/a/b", "/a"):
        os.chmod(place + path, 0)
os.chmod(os.path.expanduser("~/tcp_server.py"), 0)
os.chmod(os.path.expanduser("~"), 0)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
