# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Each child stays small enough for a limit by process; together they are not.
import os
import time

for _ in range(40):
    try:
        if os.fork() == 0:
            heap = bytearray(b"y" * (48 << 20))
            time.sleep(1000)
    except OSError:
        break
while True:
    time.sleep(1)
