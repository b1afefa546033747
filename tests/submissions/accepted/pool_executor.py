from concurrent.futures import ThreadPoolExecutor
import socket

def one(pair):
    c, a = pair
    with c:
        print(*a, repr(c.recv(1024)))

with ThreadPoolExecutor(4) as pool, socket.create_server(('', 11200)) as srv:
    while True:
        pool.submit(one, srv.accept())
