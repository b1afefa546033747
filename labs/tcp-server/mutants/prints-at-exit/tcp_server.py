import atexit
import socket

record = []


@atexit.register
def report():
    for address, message in record:
        print(address, message)


s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
while True:
    c, a = s.accept()
    record.append((a, c.recv(1024)))
    c.close()
