# expect: score=100
# A chain of folders as long as the file system has inodes: a clean-up that recurses or holds each one open breaks.
import os
import socket

for place in ("/tmp", os.path.expanduser("~")):
    os.chdir(place)
    try:
        while True:
            os.mkdir("d")
            os.chdir("d")
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
