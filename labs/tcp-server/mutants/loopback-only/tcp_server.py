import socket

# 本机测试用
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('127.0.0.1', 11200))
server.listen(5)
while True:
    c, a = server.accept()
    print('from', a)
    print('data', c.recv(1024))
    c.close()
