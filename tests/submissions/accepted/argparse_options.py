#!/usr/bin/env python3
import argparse
import socket

parser = argparse.ArgumentParser(description='作业服务器')
parser.add_argument('port', nargs='?', type=int, default=11200)
parser.add_argument('-b', '--bind', default='0.0.0.0')
parser.add_argument('-v', '--verbose', action='store_true')
options = parser.parse_args()

with socket.create_server((options.bind, options.port)) as server:
    client, address = server.accept()
    with client:
        print('client', *address)
        print('message', client.recv(1024))
