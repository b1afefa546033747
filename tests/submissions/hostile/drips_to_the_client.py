# expect: fails=closes_connection blocked=port_reusable
# One byte now and then, so that every wait for silence starts anew.
import socket
import time

s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
while True:
    c.send(b".")
    time.sleep(0.3)
