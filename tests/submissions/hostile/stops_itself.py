# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Stops before it listens; nobody will continue it.
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
