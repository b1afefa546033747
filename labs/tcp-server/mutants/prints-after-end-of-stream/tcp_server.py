import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, addr = s.accept()
print('from', addr)
whole = b''
while True:
    part = conn.recv(1024)
    if part == b'':
        break
    whole += part
print('got', whole)
conn.close()
s.close()
