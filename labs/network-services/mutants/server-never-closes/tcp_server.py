import socket
s = socket.create_server(("", 11200))
kept = []
while True:
    c, a = s.accept()
    kept.append(c)
    print(a)
    print(c.recv(1024))
