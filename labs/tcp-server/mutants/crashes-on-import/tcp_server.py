import socket
import mytools          # 我自己的工具

mytools.log('start')
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
mytools.log(a)
mytools.log(c.recv(1024))
c.close()
