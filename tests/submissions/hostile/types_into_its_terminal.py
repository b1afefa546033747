# expect: score=100
# Input to its terminal in somebody else's name, another line discipline, the console's output, a hang-up.
import fcntl
import glob
import os
import socket
import struct
import termios

TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS, TIOCSCTTY = 0x5412, 0x541C, 0x5423, 0x541D, 0x540E
for path in ["/dev/tty", "/dev/console", *glob.glob("/dev/pts/[0-9]*")]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        continue
    for name, number, argument in (("TIOCSTI", TIOCSTI, b"x"), ("TIOCLINUX", TIOCLINUX, b"\x02" + b"\0" * 15),
                                   ("TIOCSETD", TIOCSETD, struct.pack("i", 21)), ("TIOCCONS", TIOCCONS, 0)):
        try:
            fcntl.ioctl(handle, number, argument)
            raise SystemExit("GOT %s %s" % (path, name))
        except OSError as error:
            print(path, name, error.strerror)
    os.close(handle)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
