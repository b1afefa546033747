"""What checks of a student's TCP server have in common: reach it, talk to it, judge what it printed.

Used by the checks of the labs `tcp-server` and `network-services`. Each function fails the check with a
sentence that says what was seen.
"""

from __future__ import annotations

import re
import secrets
from typing import NoReturn

from labgrader.checking.probes import Conversation, Host, Unreached
from labgrader.checking.programs import ANY_ADDRESS, PRINT_S, Program, last_error_line, python2_remark
from labgrader.checking.verdicts import fail
from labgrader.errors import LabError
from labgrader.printable import printable

CLOSE_S = 3.0
FURTHER_LISTENER_S = 1.0
# More different port-like numbers than any honest printout of one connection holds.
MANY_NUMBERS = 200


def start(host: Host, port: int) -> Program:
    """Start tcp_server.py on the student's host, as the course does: python3 tcp_server.py."""
    return Program(host, ["python3", "tcp_server.py"], port)


def new_message(host: Host) -> bytes:
    """A line that no program can know beforehand, ending as telnet ends a line (RFC 854: CR LF).

    The random word comes first: a program that prints the line's beginning has really received that.
    """
    return f"{secrets.token_hex(8)} hello from {host.hostname}\r\n".encode()


def reach(program: Program, vantage: Host, address: str, *, control: Host) -> Conversation:
    """Connect from `vantage`; fail with the true reason, or raise LabError where the network is to blame.

    `control` is the server's host, on which a listener of ours proves that the way there is open.
    """
    try:
        return _connected(program, vantage, address, control)
    except Unreached as problem:
        reason = problem.reason
    # A server may open one listener after another; what was seen to listen was the first of them.
    if reason == "refused" and program.await_listening(FURTHER_LISTENER_S, address=address):
        try:
            return _connected(program, vantage, address, control)
        except Unreached as problem:
            reason = problem.reason
    return _refused(program, vantage, address, reason, control)


def _connected(program: Program, vantage: Host, address: str, control: Host) -> Conversation:
    conversation = vantage.connect(address, program.port)
    conversation.way_is_open = lambda: vantage.proves_reach(control, address)
    return conversation


def deliver(program: Program, conversation: Conversation, message: bytes) -> None:
    """Send the message; the server's machine must acknowledge its bytes, or have ended the connection.

    A server that breaks off at once has been reached all the same; what it then owes (a printout) is for
    other checks to judge. Which of the two is seen first must not change any outcome. A server may also make
    its connection deaf, by options of its socket: it fails where a listener of ours does get bytes.
    """
    try:
        conversation.send(message)
    except Unreached as problem:
        if problem.reason == "reset":
            return
        if conversation.way_is_open():
            fail(
                f"{conversation.target} took the connection, but none of the bytes that were sent to it, "
                "though the way there is open: an option of the socket keeps them out."
            )
        raise LabError(
            f"{conversation.target} took the connection but not the bytes: {problem.reason}."
        ) from problem


def must_print_peer(program: Program, conversation: Conversation) -> None:
    """Fail unless the printout holds the client's address and the client's port."""
    address = _standing_alone(conversation.local_address)
    port = _standing_alone(str(conversation.local_port))
    if program.wait_for([address, port]):
        # The right number may be the first of a thousand.
        program.hear_out()
        numbers = set(re.findall(rb"(?<!\d)\d{4,5}(?!\d)", program.text))
        if len(numbers) > MANY_NUMBERS:
            fail(
                f"It printed {len(numbers)} different numbers; "
                "that the client's port is among them says nothing."
            )
        return
    said = f"{conversation.local_address} port {conversation.local_port}"
    has_address, has_port = address.search(program.text), port.search(program.text)
    if has_address:
        what = "that address, but not that port"
    elif has_port:
        what = "that port, but not that address"
    elif conversation.target.split(":")[0].encode() in program.text:
        what = "the server's own address instead"
    else:
        what = "neither" if program.text.strip() else "nothing"
    fail(f"The client was {said}; the program printed {what}.{_trouble(program)}")


def must_print_message(program: Program, message: bytes) -> None:
    """Fail unless the printout holds the message, as text or as the repr of its bytes."""
    text = message.rstrip(b"\r\n")
    if program.wait_for([re.compile(re.escape(text))]):
        return
    printed = program.text
    if not printed.strip():
        what = f"printed nothing within {PRINT_S:.0f} s"
    elif text.lower() in printed.lower():
        what = "printed it with upper and lower case changed"
    elif text[:4] in printed or text[-16:] in printed:
        what = (
            "printed only a part of it: the number in recv() is the most bytes that it returns, "
            "and 1024 is enough"
        )
    else:
        what = f"did not print it within {PRINT_S:.0f} s"
    fail(f'The client sent "{printable(text)}"; the program {what}.{_trouble(program)}')


def must_close(program: Program, conversation: Conversation) -> None:
    """Fail unless the server ends the connection within 3 s (by closing it or by ending itself)."""
    stream = conversation.await_end(CLOSE_S)
    if stream.end == "timeout":
        program.settle(0.1)
        fail(
            f"The connection was still open {CLOSE_S:.0f} s after the message; "
            "V1's telnet would hang instead of showing «Connection closed by foreign host»."
        )


def must_listen_again(program: Program) -> None:
    """Fail unless the second start listens, though the first one's connection still lingers."""
    if program.await_listening():
        return
    program.settle(0.3)
    last = last_error_line(program.text)
    if "Address already in use" in last:
        fail(
            "The second start could not bind: "
            f"{last}. The closed connection keeps the port busy for a minute "
            "unless SO_REUSEADDR is set before bind()."
        )
    program.must_listen()


def _refused(program: Program, vantage: Host, address: str, reason: str, control: Host) -> NoReturn:
    where = f"{address}:{program.port}"
    bound = sorted(
        {s.address for s in program.listening if s.port == program.port and s.proto.startswith("tcp")}
    )
    if reason == "refused" and not program.await_listening(0.0):
        fail(f"{where} refused {vantage}'s connection: the program no longer listened.{_trouble(program)}")
    six = {place for place in bound if ":" in place and not place.startswith("::ffff:")}
    if reason == "refused" and bound and six == set(bound):
        fail(
            f"It listens on {program.sockets_said()} only, which is IPv6 without IPv4, "
            f"so {vantage} is refused at {where}; bind to '' or 0.0.0.0."
        )
    if bound and not set(bound) & {*ANY_ADDRESS, address, f"::ffff:{address}"}:
        fail(
            f"It listens on {program.sockets_said()} only, so {vantage} is {_participle(reason)} at {where}; "
            "bind to '' or 0.0.0.0."
        )
    if not vantage.proves_reach(control, address):
        raise LabError(f"{vantage} could not reach {address} at all ({reason}), not even a listener of ours.")
    fail(
        f"{vantage} was {_participle(reason)} at {where}, "
        f"though the program listens on {program.sockets_said()}."
    )


def _participle(reason: str) -> str:
    return {"refused": "refused", "timeout": "left without an answer", "reset": "cut off"}.get(reason, reason)


def _standing_alone(text: str) -> re.Pattern[bytes]:
    """`text` with no digit (nor dot and digit) on either side, so that 5000 is not found in 50001."""
    return re.compile(rb"(?<![\d])(?<!\d\.)" + re.escape(text.encode()) + rb"(?!\d)(?!\.\d)")


def _trouble(program: Program) -> str:
    """A traceback's last line, where the program ended with one, as a sentence; else ""."""
    if program.state.get("killed_for") == "memory":
        return f" It had used more than {program.host.limits.memory_mb} MB of memory and was stopped."
    last = last_error_line(program.text)
    return f" It ended with: {last}{python2_remark(program.text)}" if last else ""
