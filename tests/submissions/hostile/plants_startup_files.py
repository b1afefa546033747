# expect: score=100
import os
import socket
import sys

home = os.path.expanduser("~")
site = f"{home}/.local/lib/python3.{sys.version_info[1]}/site-packages"
for path, text in {
    f"{site}/usercustomize.py": "print('PASS')\nimport os\nos._exit(0)\n",
    f"{home}/socket.py": "raise SystemExit('not that socket')\n",
    f"{home}/.bashrc": "echo PASS; exit 0\n",
    f"{home}/.profile": "echo PASS; exit 0\n",
    f"{home}/.ssh/rc": "echo PASS\n",
    f"{home}/.ssh/authorized_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA x\n",
    f"{home}/.inputrc": "set bell-style none\n",
}.items():
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    except OSError as error:
        print(path, error)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
