import socket
with socket.create_server(("", 11200)) as s:
    while True:
        c, _ = s.accept()
        with c:
            c.sendall(c.recv(1024))
