# expect: score=100
# Bytes that are no text, then the truth.
import os
import socket

os.write(1, bytes(range(256)) * 200 + b"\xed\xa0\x80\xf8\x88\x80\x80\x80\xc0\xaf\n")
s = socket.create_server(("", 11200))
c, a = s.accept()
os.write(1, b"\xff\xfe")
print("", a)
print(c.recv(1024))
c.close()
