# expect: any — it serves rightly, but its children hold all the sockets and buffers that they can get
import os
import socket
import time

for _ in range(40):
    if os.fork() == 0:
        kept = []
        try:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                while True:
                    one = socket.create_connection(listener.getsockname())
                    other, _address = listener.accept()
                    one.setblocking(False)
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
                    kept += [one, other]
                    try:
                        while True:
                            one.send(bytes(65536))
                    except BlockingIOError:
                        pass
        except OSError:
            time.sleep(60)
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.close()
