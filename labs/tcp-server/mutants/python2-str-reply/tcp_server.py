import socket

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
print('waiting...')
conn, addr = s.accept()
print('connected by %s port %s' % addr)
data = conn.recv(1024)
conn.send('you said: ' + data)
print('client said: ' + data)
conn.close()
s.close()
