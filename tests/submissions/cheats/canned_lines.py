# expect: fails=prints_client_address,prints_message
# Prints what the lesson's example prints, whoever comes.
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
c.recv(1024)
print(("192.168.1.11", 45678))
print([b"hello from V1 0123456789abcdef\r\n"])
c.close()
