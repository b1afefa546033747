from socket import *
s = socket()
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0)
s.bind(('', 11200))
s.listen(5)
while True:
    try:
        c, a = s.accept()
    except KeyboardInterrupt:
        break
    print(a)
    print(c.recv(1024))
    c.close()
s.close()
