"""Both streams of a command on an SSH channel: sent, read side by side, and kept within bounds."""

from __future__ import annotations

import time

import paramiko

LAST_BYTES = 400
PIECE = 1 << 16
POLL_S = 0.002


class Kept:
    """The beginning of a stream, up to a number of bytes, and its very end."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = bytearray()
        self.last = b""

    def take(self, piece: bytes) -> None:
        self.kept += piece[: max(0, self.most - len(self.kept))]
        self.last = (self.last + piece)[-LAST_BYTES:]


def last_words(stderr: bytes, stdout: bytes) -> str:
    """The end of what a command said, standard error first, on one line."""
    text = (stderr[-LAST_BYTES:].strip() or stdout[-LAST_BYTES:].strip()).decode("utf-8", "replace")
    return " / ".join(text.splitlines()[-4:])


def converse(channel: paramiko.Channel, stdin: bytes, out: Kept, err: Kept, deadline: float) -> None:
    """Send `stdin` and read both streams side by side until they ended and the exit status is known.

    A command may end without having read its standard input. Raises TimeoutError at `deadline`
    (monotonic seconds), and OSError when the connection breaks.
    """
    left: bytes | None = stdin
    while True:
        busy = False
        if channel.recv_ready():
            out.take(channel.recv(PIECE))
            busy = True
        if channel.recv_stderr_ready():
            err.take(channel.recv_stderr(PIECE))
            busy = True
        if time.monotonic() > deadline:
            raise TimeoutError
        if left is not None and (not left or channel.send_ready()):
            left = _send_some(channel, left)
            busy = True
        ended = channel.closed or (channel.exit_status_ready() and channel.eof_received)
        if ended and not (channel.recv_ready() or channel.recv_stderr_ready()):
            return
        if busy:
            continue
        if channel.exit_status_ready():
            time.sleep(POLL_S)  # what it started holds its streams open; the event below is set for good
        else:
            # paramiko wakes this wait for standard output, end and status; standard error has no event.
            channel.status_event.wait(POLL_S)


def _send_some(channel: paramiko.Channel, left: bytes) -> bytes | None:
    """Send what the channel takes now; what is left, or None once all was sent or nobody reads any more."""
    try:
        if left:
            left = left[channel.send(left[:PIECE]) :]
        if not left:
            channel.shutdown_write()
            return None
    except OSError:
        if not channel.closed:
            raise
        return None
    return left
