import socket

PORT = 1120


def main():
    listener = socket.create_server(('', PORT))
    print('listening on', PORT)
    while True:
        client, (host, port) = listener.accept()
        with client:
            print(host, port, client.recv(1024))


main()
