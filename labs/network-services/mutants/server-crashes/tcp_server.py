import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADR, 1)
s.bind(("", 11200))
s.listen(1)
c, a = s.accept()
print(a, c.recv(1024))
c.close()
