import socket
s = socket.create_server(('', 11200), backlog=2)
c, a = s.accept()
print('%s:%d' % a)
print(c.recv(4096).decode())
c.close()
