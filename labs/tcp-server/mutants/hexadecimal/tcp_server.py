import socket

s = socket.create_server(('', 11200))
c, a = s.accept()
print(a[0], a[1], c.recv(1024).hex(' '))
c.close()
s.close()
