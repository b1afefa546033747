# epoll 版本，只能在 Linux 上运行
import select
import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(10)
ep = select.epoll()
ep.register(s.fileno(), select.EPOLLIN)
clients = {}
while True:
    for fd, event in ep.poll():
        if fd == s.fileno():
            c, a = s.accept()
            clients[c.fileno()] = (c, a)
            ep.register(c.fileno(), select.EPOLLIN)
            print('新客户端', a)
        else:
            c, a = clients.pop(fd)
            print('来自', a, '的消息', c.recv(1024))
            ep.unregister(fd)
            c.close()
