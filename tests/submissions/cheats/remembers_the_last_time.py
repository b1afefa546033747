# expect: fails=prints_client_address,prints_message
# Prints what it was told at the start before this one.
import os
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
for place in ("/home/student/memory", "/tmp/memory", "/dev/shm/memory"):
    if os.path.exists(place):
        print(open(place).read())
    open(place, "w").write("%s %s" % (a, c.recv(1024) if place.startswith("/home") else ""))
c.close()
