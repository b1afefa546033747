import os, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
os.write(1, ('%s,%s\n' % a).encode())
os.write(1, c.recv(1024))
c.close()
