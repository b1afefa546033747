# expect: score=100
import os
import signal
import socket

try:
    os.kill(os.getppid(), signal.SIGSTOP)
except OSError as error:
    print("parent:", error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
