import socket
from datetime import datetime

s = socket.create_server(('', 11200))
c, a = s.accept()
text = c.recv(1024)
c.close()
print(datetime.now().strftime('%H:%M:%S'), '消息', text.decode(), '来自', a)
s.close()
