# expect: fails=prints_message,closes_connection blocked=port_reusable
# Never accepts. The client's address it may well learn from the kernel, and prints it truly: netstat would.
# The message is in no table.
import socket
import time

s = socket.create_server(("", 11200))
while True:
    for name in ("tcp", "tcp6"):
        for line in open("/proc/net/" + name).read().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            if local.endswith(":2BC0") and state == "01":
                address, port = remote.split(":")
                print(socket.inet_ntoa(bytes.fromhex(address[-8:])[::-1]), int(port, 16))
    time.sleep(0.05)
