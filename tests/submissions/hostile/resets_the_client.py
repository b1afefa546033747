# expect: any — it breaks the connection off instead of ending it; both are an end
import socket
import struct

s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()
