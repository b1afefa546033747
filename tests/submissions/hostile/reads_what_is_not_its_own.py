# expect: score=100
# Opens /etc/shadow, the keys of sshd and the checks, if they are there to be opened.
import glob
import os
import socket

targets = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/root", "/proc/1/environ", "/proc/1/root/etc/shadow",
           "/proc/kcore", "/dev/mem", "/proc/sysrq-trigger"]
targets += glob.glob("/etc/ssh/*key*") + glob.glob("/root/.ssh/*") + glob.glob("/home/*/.ssh/*")
for path in targets:
    try:
        shown = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(80)
        raise SystemExit("GOT %s: %s" % (path, shown))
    except OSError as error:
        print("shut", path, error.strerror)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
