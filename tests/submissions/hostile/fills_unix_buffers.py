# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Its children fill the buffers of as many pairs of Unix sockets as they get, memory that is no process's.
import os
import socket
import time

for _ in range(50):
    if os.fork() == 0:
        kept = []
        try:
            while True:
                pair = socket.socketpair()
                kept += pair
                for one in pair:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
                    one.setblocking(False)
                    try:
                        while True:
                            one.send(bytes(65536))
                    except BlockingIOError:
                        pass
        except OSError:
            time.sleep(60)
time.sleep(2)
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.close()
