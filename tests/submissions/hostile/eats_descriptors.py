# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Opens files until there are none left, and then cannot make its socket.
import os
import socket
import time

while True:
    try:
        os.pipe()
    except OSError:
        break
while True:
    try:
        os.open("/dev/null", os.O_RDONLY)
    except OSError:
        break
try:
    s = socket.create_server(("", 11200))
except OSError as error:
    print("no socket:", error)
time.sleep(1000)
