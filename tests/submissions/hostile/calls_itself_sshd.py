# expect: score=100
# Goes by the name of a daemon that nobody should end.
import ctypes
import socket

libc = ctypes.CDLL(None)
libc.prctl(15, b"sshd", 0, 0, 0)
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
