import os
import socket

class Tee:
    def __init__(self, name):
        self.file = open(name, 'a', encoding='utf-8')

    def say(self, *words):
        print(*words)
        print(*words, file=self.file, flush=True)

tee = Tee(os.path.join(os.path.expanduser('~'), 'server.log'))
s = socket.create_server(('', 11200))
c, a = s.accept()
tee.say('client', a)
tee.say('message', c.recv(1024))
c.close()
