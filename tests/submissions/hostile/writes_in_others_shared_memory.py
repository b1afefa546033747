# expect: score=100
# Shared memory, message queues and semaphores that anybody made, in whatever namespace, overwritten or removed.
import ctypes
import glob
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
for path in glob.glob("/dev/shm/*") + glob.glob("/dev/mqueue/*"):
    try:
        if os.stat(path).st_uid != os.getuid():
            open(path, "r+b").write(b"mine")
            raise SystemExit("GOT " + path)
    except OSError:
        pass
for kind, remove in (("shm", lambda n: libc.shmctl(n, 0, None)), ("msg", lambda n: libc.msgctl(n, 0, None)),
                     ("sem", lambda n: libc.semctl(n, 0, 0))):
    for line in open("/proc/sysvipc/" + kind).read().splitlines()[1:]:
        if remove(int(line.split()[1])) == 0:
            raise SystemExit("GOT %s %s" % (kind, line.split()[:2]))
    for n in range(256):
        if remove(n) == 0:
            raise SystemExit("GOT %s %d" % (kind, n))
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
