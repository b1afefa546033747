from socket import *
HOST = 'localhost'
PORT = 11200
def run():
    s = socket(AF_INET, SOCK_STREAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, True)
    s.bind((HOST, PORT)); s.listen(1)
    print('server ready on %s:%s' % (HOST, PORT))
    conn, who = s.accept()
    print(who, conn.recv(1024))
    conn.close(); s.close()
run()
