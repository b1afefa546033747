import socket

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('', 11200))
server.listen(5)
clients = []
while True:
    client, addr = server.accept()
    clients.append(client)
    print('第%d个客户端:' % len(clients), addr)
    print(client.recv(1024))
