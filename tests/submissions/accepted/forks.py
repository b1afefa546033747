import os
import signal
import socket
import sys

# 不要僵尸进程
signal.signal(signal.SIGCHLD, signal.SIG_IGN)

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(5)
print('parent pid', os.getpid())

while True:
    conn, addr = s.accept()
    pid = os.fork()
    if pid == 0:
        s.close()
        print('child', os.getpid(), 'serves', addr)
        print('child', os.getpid(), 'got', conn.recv(1024))
        conn.close()
        sys.exit(0)
    conn.close()
