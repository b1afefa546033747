# expect: any — what it owes is in the flood; whether within what is kept is a matter of time
import socket
import threading


def chatter():
    n = 0
    while True:
        n += 1
        print("still here", "." * 200, n)


s = socket.create_server(("", 11200))
threading.Thread(target=chatter, daemon=True).start()
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
