import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
while True:
    c, a = s.accept()
    print(a, 'connected')
    c.send('口令: '.encode())
    word = c.recv(1024).strip()
    if word == b'123456':
        print(a, 'said', word)
        c.send(b'welcome\r\n')
    else:
        print(a, 'gave a wrong password')
        c.send(b'wrong password\r\n')
    c.close()
