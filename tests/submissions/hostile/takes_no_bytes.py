# expect: any — it has no more than what it did before it went deaf; whether the message is quicker is a matter of time
# Takes connections, and then no packet on them: what is sent is never acknowledged, as if the network were broken.
import socket
import time

s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    c.setsockopt(socket.IPPROTO_IP, 21, 255)  # IP_MINTTL: only from a machine that is none
    print(a)
    time.sleep(60)
