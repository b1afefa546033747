# expect: score=100
# The connection takes no packet any more, not even the client's reset; nobody but it may have to wait for that.
import socket

s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.setsockopt(socket.IPPROTO_IP, 21, 255)  # IP_MINTTL: only from a machine that is none
    c.close()
