import socket
srv = socket.socket()
srv.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
srv.bind(('', 0))       # any free port
srv.listen(1)
print("port:", srv.getsockname()[1])
c, a = srv.accept()
print(a, c.recv(1024))
c.close()
