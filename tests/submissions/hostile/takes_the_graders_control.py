# expect: fails=reachable_on_eth0,reachable_from_v1 blocked=prints_client_address,prints_message,closes_connection,port_reusable
# Connects to every listener that appears on its machine, before the one that it is meant for does.
import socket

s = socket.create_server(("127.0.0.1", 11200))
while True:
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        port = int(fields[1].partition(":")[2], 16)
        if fields[3] == "0A" and port != 11200:
            for address in ("192.168.0.10", "192.168.1.10"):
                try:
                    t = socket.create_connection((address, port), 0.2)
                    t.recv(100)
                    t.close()
                except OSError:
                    pass
