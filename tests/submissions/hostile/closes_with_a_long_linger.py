# expect: score=100
# Its close waits for a client that has been sent more than it takes, for a minute if need be; the client takes it all.
import socket
import struct

s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)], flush=True)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
c.sendall(b"x" * 4000000)
c.close()
