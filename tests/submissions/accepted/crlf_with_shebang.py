#!/usr/bin/python3
# Windows 上写的
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 11200))
s.listen(1)
c, a = s.accept()
print("客户端", a)
print("消息", c.recv(1024))
c.close()
s.close()
