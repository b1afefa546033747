# expect: score=100
# Everything true is printed, between sequences that would mislead a terminal which shows them raw.
import socket
import sys

w = sys.stdout.write
w("\x1b[2J\x1b[H\x1b[3J\x1bc")                                  # clears the screen, the scroll-back, the terminal
w("\x1b]0;root@grader\x07\x1b]2;root@grader\x1b\\")              # sets the window title
w("\x1b]8;;file:///etc/passwd\x1b\\click here\x1b]8;;\x1b\\")    # a hyperlink
w("\x1b]52;c;cm0gLXJmIH4K\x07")                                  # writes the clipboard
w("\x1b[?1049h\x1b[8m\x1b[?25l\x1b[20h\x1b(0")                   # other screen, hidden text, no cursor
w("\x1b[6n\x1b[c\x1b[21t\x1bP$q\"p\x1b\\")                       # asks the terminal to type
w("\u202egnihton\u202c \u2066\u2069\u200b\ufeff\x85\u2028\n")    # turns text around, breaks lines unseen
w("\x9b31m\x90\x9c\x00\x08\x08\x7f\r\n")
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
