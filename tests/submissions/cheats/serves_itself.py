# expect: any — its own client races the grader for the one accept; it never gets points for what it did not print
# Its own client takes the one accept, with a message of its own.
import socket
import time

s = socket.create_server(("", 11200))
mine = socket.create_connection(("192.168.1.10", 11200))
mine.sendall(b"hello from V1 0123456789abcdef\r\n")
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
time.sleep(60)
