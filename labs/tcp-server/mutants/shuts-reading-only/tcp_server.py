import socket

s = socket.create_server(('', 11200))
while True:
    conn, peer = s.accept()
    print(peer)
    print(conn.recv(1024))
    conn.shutdown(socket.SHUT_RD)
