#coding=utf-8
import socket
ip='192.168.0.10'      # V0 的地址
port=11200
sk=socket.socket()
sk.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
sk.bind((ip,port))
sk.listen(3)
cl,ad=sk.accept()
print("连接来自",ad)
print("内容",[cl.recv(1024)])
cl.close()
sk.close()
