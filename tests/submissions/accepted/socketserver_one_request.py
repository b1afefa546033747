import socketserver

class OnlyOnce(socketserver.BaseRequestHandler):
    def handle(self):
        print(self.client_address)
        print(self.request.recv(1024))

socketserver.TCPServer.allow_reuse_address = True
srv = socketserver.TCPServer(("", 11200), OnlyOnce)
srv.handle_request()
srv.server_close()
