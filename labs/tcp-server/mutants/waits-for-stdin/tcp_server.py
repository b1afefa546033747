import socket

input('按回车键启动服务器 ')
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('address', a)
print('message', c.recv(1024))
c.close()
s.close()
