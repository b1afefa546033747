# expect: fails=prints_client_address
# The client's port is among them, before the client came.
import socket

s = socket.create_server(("", 11200))
print("192.168.1.11", " ".join(str(port) for port in range(32768, 61000)))
c, a = s.accept()
print([c.recv(1024)])
c.close()
