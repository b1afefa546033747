# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# One line that never ends.
import os

while True:
    os.write(1, b"." * 65536)
