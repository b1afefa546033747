# expect: any — its file is its own: if the second start finds it changed, that start fails, and by its own doing
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
