# expect: fails=prints_client_address
# The same in the form of the lesson, a line each, nearest ports first.
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
print(c.recv(1024))
c.close()
port = a[1]
for n in range(400):
    print(("192.168.1.11", port + n))
    print(("192.168.1.11", port - n - 1))
