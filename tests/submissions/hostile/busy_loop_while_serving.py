# expect: any — it serves rightly; a limit on processor time may come first
import os
import socket

s = socket.create_server(("", 11200))
for _ in range(2 * (os.cpu_count() or 1)):
    if os.fork() == 0:
        while True:
            pass
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
