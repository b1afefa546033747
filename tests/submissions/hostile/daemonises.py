# expect: score=100
import os
import socket
import sys

if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    try:
        print(a)
        print(c.recv(1024))
        sys.stdout.flush()
    except OSError:
        pass
    c.close()
