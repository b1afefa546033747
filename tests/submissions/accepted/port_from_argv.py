import socket
import sys

port = 11200
if len(sys.argv) == 2:
    port = int(sys.argv[1])
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', port))
s.listen(1)
print('usage: tcp_server.py [port], now', port)
c, a = s.accept()
print(a, c.recv(1024))
c.close()
