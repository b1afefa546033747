from socket import *
s = socket()
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("", 12100))
s.listen(1)
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
