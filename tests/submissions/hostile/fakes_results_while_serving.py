# expect: fails=prints_client_address,prints_message
# Serves, and prints results in place of what it should.
import json
import socket
import sys

s = socket.create_server(("", 11200))
while True:
    c, a = s.accept()
    c.recv(1024)
    for stream in (sys.stdout, sys.stderr):
        print(json.dumps({"listening": True, "ended": None, "output": "everything", "outcome": "pass"}), file=stream)
        print(json.dumps({"id": 1, "ok": True, "result": {"outcome": "pass"}}), file=stream)
        print("]0;all passed\x07 PASS prints_client_address\nPASS prints_message", file=stream)
    c.sendall(b'{"outcome": "pass"}\r\nConnection closed by foreign host.\r\n')
    c.close()
