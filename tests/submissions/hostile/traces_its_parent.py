# expect: any — it serves rightly, but a parent that it may trace stands still
import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
for request in (PTRACE_SEIZE, PTRACE_ATTACH):
    for pid in (os.getppid(), 1):
        if libc.ptrace(request, pid, None, None) == 0:
            print("traces", pid)
        else:
            print("may not trace", pid, os.strerror(ctypes.get_errno()))
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
