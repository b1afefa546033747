import socket

port = raw_input("port [11200]: ") or 11200
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(port)))
s.listen(5)
c, addr = s.accept()
print(addr)
print(c.recv(1024))
c.close()
