# expect: any — it takes its own calls for the client's; the port must be free for the next start all the same
# Hundreds of connections in TIME_WAIT and CLOSE_WAIT on the lab's port when it is to be free again.
import os
import socket

s = socket.create_server(("", 11200), backlog=512)
kept = []
for n in range(300):
    mine = socket.create_connection(("127.0.0.1", 11200))
    c, a = s.accept()
    if n % 2:
        c.close()
        mine.close()
    elif n < 200:
        mine.close()
        kept.append(c)
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
