"""What a right tcp_server.py does, seen from V0 and V1. Every check starts the program afresh."""

import pytest

from labgrader.checking import server_checks as sc

V0_ETH0 = "192.168.0.10"
V0_ETH1 = "192.168.1.10"


@pytest.fixture
def start(v0, parameters):
    """Start the student's program once more; use as a context manager."""
    return lambda: sc.start(v0, parameters.port)


@pytest.mark.points(15, hint="socket(), bind(('', port)), listen(): then the program waits in accept().")
def test_starts(start):
    """The program starts and listens on the TCP port within 6 s."""
    with start() as program:
        program.must_listen()


@pytest.mark.points(10, requires=["starts"], hint="bind to '' or '0.0.0.0', which means every address of V0.")
def test_reachable_on_eth0(start, v0):
    """V0 reaches the server on eth0's address, 192.168.0.10."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v0, V0_ETH0, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v0))


@pytest.mark.points(15, requires=["starts"], hint="bind to '' or '0.0.0.0', which means every address of V0.")
def test_reachable_from_v1(start, v0, v1):
    """V1 reaches the server over the network on 192.168.1.10."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v1))


@pytest.mark.points(
    15,
    requires=["reachable_from_v1"],
    hint="accept() returns a pair: the connection, and the client's (address, port).",
)
def test_prints_client_address(start, v0, v1):
    """The program prints the client's real address and port."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v1))
            sc.must_print_peer(program, conversation)


@pytest.mark.points(
    20,
    requires=["reachable_from_v1"],
    hint="data = connection.recv(1024), then print it; bytes may be printed as they are.",
)
def test_prints_message(start, v0, v1):
    """The program prints the very message that the client sent."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            message = sc.new_message(v1)
            sc.deliver(program, conversation, message)
            sc.must_print_message(program, message)


@pytest.mark.points(
    15, requires=["reachable_from_v1"], hint="call close() on the connection that accept() gave you."
)
def test_closes_connection(start, v0, v1):
    """The program closes the connection within 3 s of the message."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v1))
            sc.must_close(program, conversation)


# Last: the TIME_WAIT that this check is about stays on the port for a minute (RFC 9293, 3.6.1).
@pytest.mark.points(
    10,
    requires=["closes_connection"],
    last=True,
    hint="s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) before bind().",
)
def test_port_reusable(start, v0, v1):
    """Started again at once after it served a client, the program listens again."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v1))
            sc.must_close(program, conversation)
            conversation.close()
    with start() as program:
        sc.must_listen_again(program)
