# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Its children fill the receive buffers of as many UDP sockets as they get, memory that is no process's.
import os
import socket
import time

for _ in range(50):
    if os.fork() == 0:
        kept = []
        try:
            while True:
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                one.bind(("127.0.0.1", 0))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
                one.connect(one.getsockname())
                one.setblocking(False)
                kept.append(one)
                for _ in range(400):
                    one.send(bytes(1400))
        except OSError:
            time.sleep(60)
time.sleep(2)
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.close()
