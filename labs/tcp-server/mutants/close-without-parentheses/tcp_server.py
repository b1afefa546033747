import socket

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)

while True:
    conn, addr = s.accept()
    print('client:', addr)
    print('recv:', conn.recv(1024))
    conn.close
