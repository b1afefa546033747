# expect: any — it does its work first; whether the limit strikes before or after the printout is a matter of time
import socket
import threading


def eat():
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * (1 << 20)))


s = socket.create_server(("", 11200))
threading.Thread(target=eat, daemon=True).start()
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
