import socket
with socket.create_server(("", 11200)) as s:
    conn, (ip, port) = s.accept()
    with conn:
        print("client ip:", ip)
        print("message:", conn.recv(1024).decode())
