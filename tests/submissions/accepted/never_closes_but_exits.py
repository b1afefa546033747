import socket
s = socket.create_server(('', 11200))
c, a = s.accept()
print(a, c.recv(1024))
