# expect: fails=closes_connection blocked=port_reusable
# Answers one message with bytes that never end.
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
block = b"\xff\xfd\x18" * 20000
while True:
    c.sendall(block)
