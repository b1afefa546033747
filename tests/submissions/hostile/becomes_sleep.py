# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Replaces itself by a program that does nothing for long.
import os

os.execv("/bin/sleep", ["sleep", "100000"])
