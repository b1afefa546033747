import socket
s = socket.create_server(('', 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
s.close()
input('按回车键退出')
