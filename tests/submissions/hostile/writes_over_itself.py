# expect: score=100
import os
import socket

s = socket.create_server(("", 11200))
try:
    with open(os.path.abspath(__file__), "w") as f:
        f.write("raise SystemExit('nothing here')\n")
except OSError as error:
    print("my file:", error)
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
