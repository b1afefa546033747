import socket
s = socket.create_server(('', 11200))
while True:
    c, a = s.accept()
    m = c.recv(1024).decode().strip()
    print('+-----------------+-------+--------------------------+')
    print('| %-15s | %5d | %-24s |' % (a[0], a[1], m))
    print('+-----------------+-------+--------------------------+')
    c.close()
