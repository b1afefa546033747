# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Starts threads that start threads, and never listens.
import threading
import time


def spawn():
    while True:
        try:
            threading.Thread(target=spawn).start()
        except RuntimeError:
            time.sleep(0.001)


spawn()
