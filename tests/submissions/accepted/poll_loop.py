import select, socket
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("", 11200)); l.listen(5)
p = select.poll(); p.register(l, select.POLLIN)
d = {l.fileno(): l}
while d:
    for fd, ev in p.poll(1000):
        if d[fd] is l:
            c, a = l.accept(); print("C", a); d[c.fileno()] = c; p.register(c, select.POLLIN)
        else:
            c = d.pop(fd); print("M", c.recv(1024)); p.unregister(fd); c.close()
