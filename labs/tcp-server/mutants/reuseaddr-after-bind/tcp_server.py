import socket

sock = socket.socket()
sock.bind(('', 11200))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.listen(1)
c, a = sock.accept()
print('客户', a)
print('消息', c.recv(1024))
c.close()
sock.close()
