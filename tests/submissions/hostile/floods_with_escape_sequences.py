# expect: score=100
# A quarter of a megabyte of sequences that never end, begin others, resize, retitle and answer back; then serves.
import os
import socket

one = b"\x1b]0;%s\x07\x1b[2J\x1b[999;999H\x1bP+q544e\x1b\\\x1b[6n\x1b[c\x1b[8;1;1t\x9b31m\xc2\x9b5m\x1b]52;c;cm0=\x07\x1b_\x1b^\x1bX" % (b"x" * 64)
os.write(1, one * 1500 + b"\x1b[0m\x18\x1b\\\r\n")
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
