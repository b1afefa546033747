# expect: fails=prints_client_address,prints_message
# A child of the first start would print for all the later ones, if it lived.
import os
import signal
import socket
import time

if os.fork() == 0:
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        for n in range(16):
            try:
                handle = os.open("/dev/pts/%d" % n, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.write(handle, b"192.168.1.11 45678 hello from V1\r\n")
                os.close(handle)
            except OSError:
                pass
        time.sleep(0.05)
s = socket.create_server(("", 11200))
c, a = s.accept()
c.recv(1024)
c.close()
