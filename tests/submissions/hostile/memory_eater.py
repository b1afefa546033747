# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Touches every page that it gets, and asks again when it gets none.
hoard = []
size = 64 << 20
while True:
    try:
        hoard.append(bytearray(b"x" * size))
    except MemoryError:
        size = max(size // 2, 4096)
