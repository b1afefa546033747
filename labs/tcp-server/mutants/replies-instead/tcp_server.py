import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
data = c.recv(1024)
c.sendall(('you are %s\r\n' % (a,)).encode())
c.sendall(b'you said ' + data)
c.close()
s.close()
