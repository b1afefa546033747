import socket


def talk(conn):
    while True:
        line = conn.recv(1024).decode('utf8').strip()
        print('客户端说:', line)
        if line in ('', 'bye', 'quit'):
            return
        conn.sendall(b'ok, go on (bye to leave)\r\n')


srv = socket.socket()
srv.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
srv.bind(('0.0.0.0', 11200))
srv.listen(1)
conn, addr = srv.accept()
print('客户端:', addr)
talk(conn)
conn.close()
srv.close()
