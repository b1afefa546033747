"""作业：面向对象的 TCP 服务器"""
import socket


class TcpServer(object):
    MAX = 1024

    def __init__(self, host='', port=11200):
        self.host = host
        self.port = port
        self.__sock = None          # 私有属性

    def open(self):
        self.__sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.__sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.__sock.bind((self.host, self.port))
        self.__sock.listen(1)
        return self

    def __str__(self):
        return 'TcpServer(%r, %d)' % (self.host, self.port)

    def __call__(self):
        client, address = self.__sock.accept()
        try:
            print('客户机：', address)
            print('信息：', client.recv(self.MAX))
        finally:
            client.close()

    def close(self):
        self.__sock.close()


if __name__ == '__main__':
    srv = TcpServer().open()
    print(srv)
    srv()
    srv.close()
