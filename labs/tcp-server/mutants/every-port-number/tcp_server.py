import socket

s = socket.create_server(('', 11200))
c, a = s.accept()
print(c.recv(1024))
c.close()
print('client 192.168.1.11 port', ' '.join(map(str, range(1024, 65536))))
s.close()
