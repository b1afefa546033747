import socket


class Server:
    """一次只服务一个客户端"""

    def __init__(self, host, port):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        self.sock.listen()

    def serve(self):
        while 1:
            conn, peer = self.sock.accept()
            print(f'{peer[0]}:{peer[1]} connected')
            print(f'says {conn.recv(1024)}')
            conn.close()


Server('192.168.1.10', 11200).serve()
