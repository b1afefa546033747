# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Writes into its home directory for ever.
import os

block = b"\xa5" * (1 << 20)
n = 0
while True:
    n += 1
    try:
        with open(os.path.join(os.path.expanduser("~"), f"big{n}"), "wb") as f:
            while True:
                f.write(block)
    except OSError:
        pass
