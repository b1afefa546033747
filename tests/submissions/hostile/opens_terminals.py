# expect: any — it serves rightly; the terminals that it holds may be missed at its next start
import os
import socket

for _ in range(20):
    if os.fork() == 0:
        try:
            while True:
                os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            socket.create_server(("127.0.0.1", 0)).accept()
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.close()
