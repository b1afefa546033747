"""A single-client TCP server: who called, and what they said."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Iterator

PORT: int = 11200


@dataclass(frozen=True)
class Visit:
    host: str
    port: int
    message: bytes

    def __str__(self) -> str:
        return f"<Visit {self.host}:{self.port} {self.message!r}>"


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("", port))
        sock.listen(1)
        yield sock
    finally:
        sock.close()


def receive(listener: socket.socket) -> Visit:
    client, (host, port) = listener.accept()
    with client:
        return Visit(host, port, client.recv(1024))


if __name__ == "__main__":
    with listening(PORT) as listener:
        print(receive(listener))
