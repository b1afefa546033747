import socket
s = socket.create_server(("127.0.0.1", 11200))
print("ready")
c, a = s.accept()
with c:
    print(a, c.recv(1024))
