#!/usr/bin/python3
# 循环版服务器：一个客户端走了，再等下一个
import socket
HOST, PORT = '0.0.0.0', 11200
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((HOST, PORT))
server.listen(5)
count = 0
while True:
    print('等待连接……')
    client, address = server.accept()
    count += 1
    print('[%d] %s:%d' % (count, address[0], address[1]))
    data = client.recv(1024)
    print('[%d] %s' % (count, data.decode('utf-8').rstrip()))
    client.close()
