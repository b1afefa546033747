import socket

# IPv6 套接字也接受 IPv4（::ffff:a.b.c.d）
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(('::', 11200))
s.listen(5)
c, a = s.accept()
print('client', a[0], 'port', a[1])
print('message', c.recv(1024))
c.close()
s.close()
