# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Computes for ever, on every processor, and never listens.
import os

for _ in range(2 * (os.cpu_count() or 1)):
    if os.fork() == 0:
        break
n = 0
while True:
    n = (n * n + 1) % 1000003
