import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, addr = s.accept()
print('聊天开始', addr)
print('对方:', conn.recv(1024).decode())
conn.send(input('我: ').encode())
conn.close()
s.close()
