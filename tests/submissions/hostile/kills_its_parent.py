# expect: any — it serves rightly, but may have killed what started it
import os
import signal
import socket

for number in (signal.SIGTERM, signal.SIGKILL):
    try:
        os.kill(os.getppid(), number)
        print("signalled", os.getppid())
    except OSError as error:
        print("parent:", error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
