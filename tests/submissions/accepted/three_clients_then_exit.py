# -*- coding: utf-8 -*-
import socket
def tcp_server():
    tcp_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp_socket.bind(("", 11200))
    tcp_socket.listen(128)
    # 一个客户端一个循环
    for i in range(3):
        client_socket, client_addr = tcp_socket.accept()
        print("第 {} 个客户端的地址是 {}".format(i + 1, client_addr))
        recv_data = client_socket.recv(1024)
        print("客户端发来的消息是：{}".format(recv_data))
        client_socket.send("收到，再见".encode("gbk"))
        client_socket.close()
    tcp_socket.close()
tcp_server()
