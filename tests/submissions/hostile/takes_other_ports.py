# expect: score=100
# Listens on a hundred ports besides its own.
import socket

others = []
for port in range(11100, 11200):
    try:
        others.append(socket.create_server(("", port)))
    except OSError:
        pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
