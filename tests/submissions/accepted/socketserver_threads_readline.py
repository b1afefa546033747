from socketserver import StreamRequestHandler, ThreadingTCPServer


class LineHandler(StreamRequestHandler):
    timeout = 60

    def handle(self):
        ip, port = self.client_address
        line = self.rfile.readline().strip()
        print("{}:{} -> {}".format(ip, port, line.decode()))
        self.wfile.write(b"OK " + line + b"\r\n")


ThreadingTCPServer.allow_reuse_address = True
ThreadingTCPServer.daemon_threads = True
server = ThreadingTCPServer(("", 11200), LineHandler)
server.serve_forever()
