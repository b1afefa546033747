import socket
import sys

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
try:
    while True:
        c, a = s.accept()
        try:
            print('客户:', a)
            print('消息:', c.recv(1024))
        finally:
            c.close()
except KeyboardInterrupt:
    print('\n再见')
    sys.exit(0)
finally:
    s.close()
