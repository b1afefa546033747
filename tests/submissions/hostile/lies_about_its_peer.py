# expect: fails=prints_client_address
# Guesses ports at random, as many as an honest printout might hold.
import random
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
for _ in range(10):
    print(("192.168.1.11", random.randrange(1024, 30000)))
print(c.recv(1024))
c.close()
