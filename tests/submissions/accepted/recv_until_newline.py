import socket

def read_line(sock):
    buf = bytearray()
    while not buf.endswith(b'\n'):
        one = sock.recv(1)
        if not one:
            break
        buf += one
    return bytes(buf)

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('from', a)
print('line', read_line(c))
c.close()
s.close()
