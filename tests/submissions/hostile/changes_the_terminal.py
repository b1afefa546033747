# expect: score=100
# Raw mode, no echo, no signals, an odd window size; it leaves the terminal so.
import fcntl
import socket
import struct
import sys
import termios
import tty

try:
    tty.setraw(sys.stdout.fileno())
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 1, 1, 0, 0))
    termios.tcflow(1, termios.TCOON)
except (termios.error, OSError) as error:
    print("terminal:", error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
