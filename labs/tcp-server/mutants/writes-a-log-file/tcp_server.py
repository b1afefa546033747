import os
import socket

log = open(os.path.expanduser('~/server.log'), 'a')
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('client', a, file=log)
print('message', c.recv(1024), file=log)
c.close()
s.close()
log.close()
