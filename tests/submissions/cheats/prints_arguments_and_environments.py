# expect: fails=prints_client_address,prints_message
# Whatever the grader let slip into an argument, an environment or an open file would be in this printout.
import glob
import os
import socket
import sys

s = socket.create_server(("", 11200))
c, a = s.accept()
c.recv(1024)
print(sys.argv, os.environ)
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/mem"):
    try:
        print(open(path, "rb").read(4096))
    except OSError:
        pass
for path in glob.glob("/tmp/*") + glob.glob("/run/labgrader/*") + glob.glob("/var/log/*"):
    try:
        print(open(path, "rb").read(4096))
    except OSError:
        pass
c.close()
