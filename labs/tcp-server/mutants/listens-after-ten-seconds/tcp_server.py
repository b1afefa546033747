import socket
import time

print('loading', end='', flush=True)
for i in range(10):
    time.sleep(1)
    print('.', end='', flush=True)
print(' done')

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
