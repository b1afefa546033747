# expect: fails=prints_client_address
# The right answer to every question about the port, and so to none.
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
print(c.recv(1024))
c.close()
print("192.168.1.11", *range(65536))
