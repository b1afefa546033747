# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# A printout that a careless search reads once for each of its characters.
import os

for _ in range(600):
    os.write(1, b"\r" * 1024)
