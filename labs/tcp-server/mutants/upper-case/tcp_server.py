import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
text = c.recv(1024).decode().upper()
print(a, text)
c.send(text.encode())
c.close()
s.close()
