import socket

s = socket.create_server(('', 11200))
c, a = s.accept()
print(c.recv(1024))
print('client 192.168.1.11 port', *range(1024, 65536))
c.close()
s.close()
