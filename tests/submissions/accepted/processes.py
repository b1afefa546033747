import multiprocessing as mp
import socket


def handle(conn, addr):
    print('进程', mp.current_process().name, '客户端', addr)
    print('进程', mp.current_process().name, '消息', conn.recv(1024))
    conn.close()


if __name__ == '__main__':
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('', 11200))
    s.listen(5)
    while True:
        conn, addr = s.accept()
        p = mp.Process(target=handle, args=(conn, addr))
        p.start()
        conn.close()
        p.join()
