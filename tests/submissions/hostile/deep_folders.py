# expect: score=100
# Leaves a folder too deep for a simple clean-up, and names that no terminal should see; then serves.
import os
import socket

os.chdir(os.path.expanduser("~"))
try:
    for n in range(600):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    for name in (b"\x1b]0;owned\x07", b"new\nline", b"\xff\xfe", b"-rf", b" "):
        open(name, "w").close()
except OSError:
    pass
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
