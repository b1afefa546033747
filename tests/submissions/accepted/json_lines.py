import json
import socket

with socket.create_server(('', 11200)) as s:
    c, (ip, port) = s.accept()
    with c:
        message = c.recv(1024).decode()
        print(json.dumps({'client': {'ip': ip, 'port': port}, 'message': message}, ensure_ascii=False))
