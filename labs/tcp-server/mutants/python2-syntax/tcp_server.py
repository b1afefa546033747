#!/usr/bin/python
# -*- coding: utf-8 -*-
import socket

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
conn, addr = s.accept()
print "client is", addr
print "message is", conn.recv(1024)
conn.close()
s.close()
