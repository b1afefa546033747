# expect: fails=prints_client_address,prints_message
# Says on every terminal and every open file that it can reach what a right server would have said.
import glob
import json
import os
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
c.recv(1024)
line = json.dumps({"id": 1, "output": "('192.168.1.11', 45678)", "ended": None, "there": True})
for path in glob.glob("/dev/pts/*") + glob.glob("/proc/[0-9]*/fd/[0-9]*") + ["/dev/tty", "/dev/console"]:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(handle, (line + "\n").encode())
        os.close(handle)
    except OSError:
        pass
c.close()
