# expect: score=100
# Ends the connection on its side alone and then takes no packet any more, so that it never hears of the other end.
import socket
import time

kept = []
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print([c.recv(1024)])
    c.shutdown(socket.SHUT_WR)
    while c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 5:  # FIN_WAIT2: the client's kernel knows
        time.sleep(0.0005)
    c.setsockopt(socket.IPPROTO_IP, 21, 255)  # IP_MINTTL
    kept.append(c)
