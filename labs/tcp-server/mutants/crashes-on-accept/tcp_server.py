import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, host, port = s.accept()
print('client', host, port)
print('message', conn.recv(1024))
conn.close()
s.close()
