# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Writes into /tmp and /var/tmp for ever.
block = b"\x5a" * (1 << 20)
n = 0
while True:
    n += 1
    for place in ("/tmp", "/var/tmp"):
        try:
            with open(f"{place}/big{n}", "wb") as f:
                for _ in range(4096):
                    f.write(block)
        except OSError:
            pass
