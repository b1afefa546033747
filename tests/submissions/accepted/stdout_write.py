import sys
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
sys.stdout.write(str(a) + ' ')
sys.stdout.write(c.recv(1024).decode().rstrip('\r\n'))
sys.stdout.flush()
c.close()
s.close()
