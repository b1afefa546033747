# expect: score=100
# Every setting of the kernel that it can find, written with what it holds or with 1.
import os
import socket

for top in ("/proc/sys", "/sys", "/proc/sysrq-trigger", "/proc/irq"):
    for folder, _names, files in os.walk(top) if os.path.isdir(top) else [(os.path.dirname(top), [], [os.path.basename(top)])]:
        for name in files:
            try:
                handle = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                os.write(handle, b"1")
                raise SystemExit("GOT %s/%s" % (folder, name))
            except OSError:
                pass
            os.close(handle)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
