#!/usr/bin/python3
# 第8天：循环服务器
import socket

def start(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('', port))
    s.listen(1)
    return s

if __name__ == '__main__':
    server = start(11200)
    while True:
        conn, addr = server.accept()
        print('客户端', addr)
        print('消息', [conn.recv(1024)])
        conn.close()
