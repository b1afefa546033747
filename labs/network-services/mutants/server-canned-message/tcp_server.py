import socket
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    c.recv(1024)
    print([b"hello\r\n"])
    c.close()
