# expect: any — it serves rightly, but may have stopped what carries its own terminal
import os
import signal
import socket

try:
    os.kill(-1, signal.SIGSTOP)
except OSError:
    pass
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
