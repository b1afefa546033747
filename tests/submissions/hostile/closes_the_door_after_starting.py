# expect: any — it listened, and does no more when the grader comes; which check sees it first is a matter of time
import socket
import time

s = socket.create_server(("", 11200))
time.sleep(0.3)
s.close()
time.sleep(1000)
