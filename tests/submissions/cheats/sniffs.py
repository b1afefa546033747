# expect: fails=prints_client_address,prints_message,closes_connection blocked=port_reusable
# Never accepts; would read the message off the wire, if it were let.
import socket
import time

s = socket.create_server(("", 11200))
for family, kind, number in (
    (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
):
    try:
        tap = socket.socket(family, kind, number)
    except OSError as error:
        print(error)
        continue
    while True:
        print(tap.recv(65536))
time.sleep(60)
