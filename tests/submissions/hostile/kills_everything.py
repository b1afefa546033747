# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Sends SIGKILL to every process that it may, again and again.
import os

while True:
    try:
        os.kill(-1, 9)
    except OSError:
        pass
