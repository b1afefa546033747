import socket

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", 11200))
    server.listen()
    conn, (host, port) = server.accept()
    with conn:
        print(f"{host = } {port = }")
        print(f"{conn.recv(1024) = }")
