import socketserver


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        print('客户端地址：', self.client_address)
        data = self.request.recv(1024)
        print('客户端消息：', data)
        self.request.sendall(data)


class Server(socketserver.TCPServer):
    allow_reuse_address = True


if __name__ == '__main__':
    with Server(('0.0.0.0', 11200), Echo) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print('\nbye')
