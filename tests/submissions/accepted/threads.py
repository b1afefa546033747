import socket
import threading


def serve(client, address):
    name = threading.current_thread().name
    print(f'{name}: new client {address}')
    data = client.recv(1024)
    print(f'{name}: {data}')
    client.sendall(b'bye\r\n')
    client.close()


def main():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('', 11200))
    s.listen(50)
    while True:
        client, address = s.accept()
        threading.Thread(target=serve, args=(client, address)).start()


if __name__ == '__main__':
    main()
