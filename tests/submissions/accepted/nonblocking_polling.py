import socket
import time

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
s.setblocking(False)
waiting = []
while True:
    try:
        c, a = s.accept()
        c.setblocking(False)
        waiting.append((c, a))
        print('连接', a)
    except BlockingIOError:
        pass
    for c, a in waiting[:]:
        try:
            data = c.recv(1024)
        except BlockingIOError:
            continue
        print('数据', a, data)
        c.close()
        waiting.remove((c, a))
    time.sleep(0.05)
