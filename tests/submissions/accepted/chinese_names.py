import socket as 套接字

地址 = ('', 11200)
服务器 = 套接字.socket()
服务器.setsockopt(套接字.SOL_SOCKET, 套接字.SO_REUSEADDR, 1)
服务器.bind(地址)
服务器.listen(1)
print('🚀 服务器已启动，端口', 地址[1])
客户端, 对方 = 服务器.accept()
print('👤 客户端地址：“%s”，端口：%d' % 对方)
print('💬 消息：《%s》' % 客户端.recv(1024).decode().strip())
客户端.close()
服务器.close()
print('✅ 结束')
