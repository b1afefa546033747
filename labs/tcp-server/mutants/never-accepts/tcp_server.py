import socket
import time

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(10)
print('server is running, press Ctrl-C to stop')
while True:
    time.sleep(1)
