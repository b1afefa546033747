import socket
s = socket.socket()
for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT, socket.SO_KEEPALIVE):
    s.setsockopt(socket.SOL_SOCKET, option, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
s.close()
