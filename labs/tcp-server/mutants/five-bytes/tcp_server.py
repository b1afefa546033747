import socket

BUFSIZ = 5
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('peer', a)
print('data', c.recv(BUFSIZ))
c.close()
s.close()
