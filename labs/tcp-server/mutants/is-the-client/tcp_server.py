import socket

# tcp_client
c = socket.socket()
c.connect(('192.168.1.10', 11200))
c.send(input('> ').encode() + b'\r\n')
print(c.recv(1024))
c.close()
