import socket

config = {'host': '', 'port': '11200'}

with socket.socket() as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((config['host'], config['port']))
    s.listen(1)
    c, a = s.accept()
    with c:
        print(a, c.recv(1024))
