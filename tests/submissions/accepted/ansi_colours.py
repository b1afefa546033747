import socket

RED = '\033[31;1m'
GREEN = '\033[38;5;46m'
OFF = '\033[0m'

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
print(f'{GREEN}●{OFF} ready')
c, (ip, port) = s.accept()
print(f'{RED}{ip}{OFF}:{GREEN}{port}{OFF}')
print(f'{RED}>>>{OFF} {GREEN}{c.recv(1024).decode().strip()}{OFF}')
c.close()
s.close()
