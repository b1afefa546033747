import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
while True:
    c, a = s.accept()
    print('+', a)
    while True:
        data = c.recv(1024)
        if not data:
            break
        print(' ', data)
    print('-', a)
    c.close()
