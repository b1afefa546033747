"""tcp_server.py on V0: reached on both networks, what it prints, and that it closes."""

import pytest

from labgrader.checking import server_checks as sc

V0_ETH0 = "192.168.0.10"
V0_ETH1 = "192.168.1.10"


@pytest.fixture
def start(v0, parameters):
    """Start the student's program once more; use as a context manager."""
    return lambda: sc.start(v0, parameters.port)


@pytest.mark.points(
    5, after=["v0_addresses"], hint="bind(('', port)), then listen(); '' means every address of V0."
)
def test_server_reachable(start, v0, v1, needs_eth0, needs_eth1):
    """The server is reached from V0 on 192.168.0.10 and from V1 on 192.168.1.10."""
    needs_eth0()
    needs_eth1()
    for vantage, address in ((v0, V0_ETH0), (v1, V0_ETH1)):
        with start() as program:
            program.must_listen()
            with sc.reach(program, vantage, address, control=v0) as conversation:
                sc.deliver(program, conversation, sc.new_message(vantage))


@pytest.mark.points(5, requires=["server_reachable"], hint="Print what accept() and recv(1024) return.")
def test_server_prints(start, v0, v1):
    """The server prints the client's address and port, and the message."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            message = sc.new_message(v1)
            sc.deliver(program, conversation, message)
            sc.must_print_peer(program, conversation)
            sc.must_print_message(program, message)


@pytest.mark.points(
    4, requires=["server_reachable"], hint="call close() on the connection that accept() gave you."
)
def test_server_closes(start, v0, v1):
    """The server closes the connection within 3 s of the message."""
    with start() as program:
        program.must_listen()
        with sc.reach(program, v1, V0_ETH1, control=v0) as conversation:
            sc.deliver(program, conversation, sc.new_message(v1))
            sc.must_close(program, conversation)
