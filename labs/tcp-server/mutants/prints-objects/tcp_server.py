import socket

s = socket.create_server(('', 11200))
c, a = s.accept()
print('addr', a)
data = c.recv
print('data', data)
c.recv(1024)
c.close()
s.close()
