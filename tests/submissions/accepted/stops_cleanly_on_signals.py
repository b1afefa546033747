import signal
import socket

running = True

def stop(signum, frame):
    global running
    running = False
    print('signal', signum, 'stopping')

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
s.settimeout(0.5)
while running:
    try:
        c, a = s.accept()
    except socket.timeout:
        continue
    c.settimeout(10)
    print(a)
    print(c.recv(1024))
    c.close()
s.close()
