import socket

print('*' * 60)
for row in range(1, 10):
    print(' '.join('%d*%d=%-2d' % (col, row, row * col) for col in range(1, row + 1)))
for i in range(400):
    print('初始化步骤 %03d ... ok' % i)
print('*' * 60)

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
c, a = s.accept()
print('客户端:', a)
print('数据:', c.recv(1024))
c.close()
s.close()
