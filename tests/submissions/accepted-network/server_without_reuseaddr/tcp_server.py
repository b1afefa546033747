import socket
s = socket.socket()
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
s.close()
