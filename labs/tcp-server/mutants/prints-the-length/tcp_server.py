import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('客户端', a)
print('收到', len(c.recv(1024)), '字节')
c.close()
s.close()
