# {{ 1/0 }} {% raise %} {# x #} ${7*7} $(touch /tmp/owned) `id` %(x)s {0.__class__} <% x %>
"""Serve one TCP client on port 11200: print who it is and what it says, then hang up."""

import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 11200


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # Before bind: the address of a connection that this side closed stays busy (TIME_WAIT).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", PORT))
        listener.listen(1)
        client, address = listener.accept()
        with client:
            print(f"client: {address}", flush=True)
            message = client.recv(1024)
            print(f"message: {message!r}", flush=True)


if __name__ == "__main__":
    main()
