import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 11200))
s.listen(1)
while True:
    conn, addr = s.accept()
    print(addr)
      print(conn.recv(1024))
    conn.close()
