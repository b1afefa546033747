import socket

s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("::", 11200))
s.listen(1)
conn, peer = s.accept()
print("peer", peer[0], peer[1])
print(conn.recv(1024))
conn.close()
s.close()
