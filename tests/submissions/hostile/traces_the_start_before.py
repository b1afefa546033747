# expect: score=100
# Leaves a process of its own for the next start to look into, and looks for the one of the start before.
import ctypes
import glob
import os
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
for path in glob.glob("/proc/[0-9]*"):
    pid = int(path.split("/")[2])
    try:
        if os.stat(path).st_uid == os.getuid() and pid != os.getpid():
            raise SystemExit("GOT a process of the start before: %d, %d" % (pid, libc.ptrace(16, pid, None, None)))
    except OSError:
        pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
