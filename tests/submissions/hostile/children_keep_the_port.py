# expect: any — its children hold the listener when it has ended; a second start is right only when they are ended, too
import os
import signal
import socket
import time

s = socket.create_server(("", 11200))
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while True:
            time.sleep(1)
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
s.close()
