# expect: score=100
# Prints what it may read of every process; nothing of the grader's may be among it.
import glob
import socket

for path in sorted(glob.glob("/proc/[0-9]*")):
    for name in ("cmdline", "environ", "cgroup", "mountinfo"):
        try:
            with open(f"{path}/{name}", "rb") as f:
                print(path, name, f.read(600))
        except OSError as error:
            print(path, name, error.strerror)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
