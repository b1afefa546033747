import socket
with socket.create_server(("", 11200), family=socket.AF_INET6, dualstack_ipv6=True) as s:
    while True:
        c, a = s.accept()
        with c:
            print(a, c.recv(1024))
