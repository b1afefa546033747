import socket
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print("client", a[0])
    print("message", c.recv(1024).decode())
    c.close()
