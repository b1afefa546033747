# expect: score=100
# Asks every door that leads to root, and serves as what it is.
import os
import socket
import subprocess

for command in (["sudo", "-n", "id"], ["su", "-c", "id"], ["unshare", "-r", "id"], ["mount", "-t", "tmpfs", "x", "/mnt"],
                ["ip", "address", "add", "192.168.1.99/24", "dev", "eth1"], ["systemctl", "stop", "network"]):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=1, start_new_session=True)
        print(command, done.returncode, done.stdout[:80], done.stderr[:80])
        if done.returncode == 0:
            raise SystemExit("GOT %s" % command)
    except (OSError, subprocess.SubprocessError) as error:
        print(command, error)
for call in (lambda: os.setuid(0), lambda: os.chroot("/tmp"), lambda: os.nice(-20)):
    try:
        call()
        raise SystemExit("GOT more rights")
    except OSError as error:
        print(error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
