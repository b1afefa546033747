# expect: score=100
# Watches and pending signals are counted for the grader's own user, too: few may be had.
import ctypes
import os
import signal
import socket

libc = ctypes.CDLL(None, use_errno=True)
instances = 0
while libc.inotify_init() >= 0:
    instances += 1
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
signals = 0
while signals < 5000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
    signals += 1
print(instances, "instances of inotify,", signals, "signals")
if instances > 32 or signals > 1000:
    raise SystemExit("GOT what others need")
for fd in range(3, 250):
    try:
        os.close(fd)
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
