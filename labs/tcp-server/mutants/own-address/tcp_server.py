import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, _ = s.accept()
print('client =', conn.getsockname())
print('text =', conn.recv(1024).decode('ascii', 'replace'))
conn.close()
s.close()
