# expect: any — its own connections fill the queue, and the grader's may be left out
import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 11200))
s.listen(1)
mine = []
for _ in range(20):
    c = socket.socket()
    c.setblocking(False)
    c.connect_ex(("127.0.0.1", 11200))
    mine.append(c)
while True:
    c, a = s.accept()
    print(a)
    c.settimeout(2)
    try:
        print(c.recv(1024))
    except OSError:
        pass
    c.close()
