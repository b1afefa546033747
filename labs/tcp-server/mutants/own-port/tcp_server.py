import socket

PORT = 11200
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', PORT))
s.listen(1)
conn, addr = s.accept()
print('client %s port %d' % (addr[0], PORT))
print('message', conn.recv(1024))
conn.close()
s.close()
