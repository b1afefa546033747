# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
import socket
import time

kept = []
try:
    for port in range(20000, 30000):
        kept.append(socket.create_server(("", port)))
except OSError as error:
    print(error)
time.sleep(60)
