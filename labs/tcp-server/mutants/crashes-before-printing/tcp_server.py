from socket import *

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, addr = s.accept()
msg = conn.recv(1024)
print('client: ' + addr)
print('message: ' + msg.decode())
conn.close()
s.close()
