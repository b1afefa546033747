import socketserver
import sys

class H(socketserver.StreamRequestHandler):
    def handle(self):
        print("peer", self.client_address, "says", self.rfile.readline(), file=sys.stderr)

class S(socketserver.ForkingMixIn, socketserver.TCPServer):
    allow_reuse_address = True

S(("", 11200), H).serve_forever()
