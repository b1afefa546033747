import socketserver


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        print('client', self.client_address)
        print('line', self.rfile.readline())


with socketserver.TCPServer(('', 11200), Handler) as server:
    server.serve_forever()
