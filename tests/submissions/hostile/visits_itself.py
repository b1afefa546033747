# expect: any — its own client may take the one accept that was the grader's
import socket
import threading
import time


def visit():
    time.sleep(0.2)
    c = socket.create_connection(("127.0.0.1", 11200))
    c.sendall(b"hello\r\n")
    c.close()


s = socket.create_server(("", 11200))
threading.Thread(target=visit, daemon=True).start()
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
s.close()
