# expect: score=100
# In a user namespace of its own it would be root, and could mount file systems of any size.
import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
print("unshare:", libc.unshare(0x10000000 | 0x20000), os.strerror(ctypes.get_errno()))
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
