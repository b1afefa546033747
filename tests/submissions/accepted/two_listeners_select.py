import select
import socket

# 每个网卡一个监听套接字
ADDRESSES = [('192.168.0.10', 11200), ('192.168.1.10', 11200)]
listeners = []
for address in ADDRESSES:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(1)
    listeners.append(s)
    print('listening on', address)

while True:
    ready, _, _ = select.select(listeners, [], [])
    for s in ready:
        conn, peer = s.accept()
        print('client', peer)
        print('message', conn.recv(1024))
        conn.close()
