# expect: fails=prints_client_address,prints_message,closes_connection blocked=port_reusable
# Stops with the client in its hand.
import os
import signal
import socket

s = socket.create_server(("", 11200))
c, a = s.accept()
os.kill(os.getpid(), signal.SIGSTOP)
print(a, c.recv(1024))
