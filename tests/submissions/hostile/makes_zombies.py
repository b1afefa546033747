# expect: score=100
# Never waits for its children.
import os
import socket

for _ in range(15):
    if os.fork() == 0:
        os._exit(0)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
