import socket
# 先偷看，再读走
s = socket.create_server(('', 11200))
c, a = s.accept()
print('peer:', a)
print('peek:', c.recv(1024, socket.MSG_PEEK))
print('read:', c.recv(1024))
c.close()
s.close()
