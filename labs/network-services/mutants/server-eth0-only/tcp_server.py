import socket
s = socket.create_server(("192.168.0.10", 11200))
while True:
    c, a = s.accept()
    print(a, c.recv(1024))
    c.close()
