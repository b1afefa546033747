# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Doubles for ever and never listens.
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
