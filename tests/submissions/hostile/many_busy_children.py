# expect: any — it serves rightly, on what its own children leave it of the processor
import os
import socket

for _ in range(50):
    if os.fork() == 0:
        while True:
            pass
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.close()
