# expect: any — it serves rightly, but may have killed what carries its own terminal
import os
import socket
import threading
import time


def kill():
    while True:
        for number in (15, 1, 9):
            try:
                os.kill(-1, number)
            except OSError:
                pass
        time.sleep(0.01)


import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
threading.Thread(target=kill, daemon=True).start()
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
