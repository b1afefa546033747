# expect: score=100
# Only SIGKILL ends it.
import signal
import socket

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU,
               signal.SIGTSTP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    print(a)
    print(c.recv(1024))
    c.close()
