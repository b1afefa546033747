import os, signal, socket

def reap(signum, frame):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

signal.signal(signal.SIGCHLD, reap)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('0.0.0.0', 11200))
listener.listen(8)
while True:
    sock, peer = listener.accept()
    if os.fork():
        sock.close()
        continue
    listener.close()
    print("Connection from {0[0]} on port {0[1]}".format(peer), flush=True)
    print("Message:", sock.recv(1024).decode("ascii", "backslashreplace"), flush=True)
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    os._exit(0)
