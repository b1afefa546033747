# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Makes empty files, folders and links for ever.
import os

home = os.path.expanduser("~")
n = 0
while True:
    n += 1
    for place in (home, "/tmp", "/dev/shm"):
        try:
            os.mkdir(f"{place}/d{n}")
            open(f"{place}/d{n}/f", "w").close()
            os.symlink("f", f"{place}/d{n}/l")
            os.mkfifo(f"{place}/d{n}/p")
        except OSError:
            pass
