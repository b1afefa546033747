import SocketServer

class MyHandler(SocketServer.BaseRequestHandler):
    def handle(self):
        print(self.client_address)
        print(self.request.recv(1024))

SocketServer.TCPServer.allow_reuse_address = True
SocketServer.TCPServer(('', 11200), MyHandler).serve_forever()
