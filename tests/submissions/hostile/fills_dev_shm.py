# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Fills the file systems that live in memory, wherever it may write to one.
import os

block = b"\x00\xff" * (1 << 19)
n = 0
while True:
    n += 1
    for place in ("/dev/shm", "/run/lock", "/dev", "/run"):
        try:
            with open(os.path.join(place, f"big{n}"), "wb") as f:
                for _ in range(4096):
                    f.write(block)
        except OSError:
            pass
