import selectors
import socket

sel = selectors.DefaultSelector()


def accept(listener):
    conn, addr = listener.accept()
    conn.setblocking(False)
    print('accepted', addr)
    sel.register(conn, selectors.EVENT_READ, read)


def read(conn):
    data = conn.recv(1024)
    print('read', [data])
    sel.unregister(conn)
    conn.close()


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('', 11200))
listener.listen(100)
listener.setblocking(False)
sel.register(listener, selectors.EVENT_READ, accept)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)
