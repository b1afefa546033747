"""Constructed reports, as a student of tcp-server may get them."""

from __future__ import annotations

from dataclasses import replace

from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status

TITLE = "A TCP server on V0, seen from V1"
_CHECKS = (
    ("starts", "The program starts and listens on the TCP port within 6 s", 15.0),
    ("reachable_on_eth0", "V0 reaches the server on eth0's address, 192.168.0.10", 10.0),
    ("reachable_from_v1", "V1 reaches the server over the network on 192.168.1.10", 15.0),
    ("prints_client_address", "The program prints the client's real address and port", 15.0),
    ("prints_message", "The program prints the very message that the client sent", 20.0),
    ("closes_connection", "The program closes the connection within 3 s of the message", 15.0),
    ("port_reusable", "Started again at once after it served a client, the program listens again", 10.0),
)
_PRINTED = Evidence("What the program printed", "服务器启动，等待连接")


def _report(status: Status, *changes: CheckResult) -> Report:
    changed = {check.id: check for check in changes}
    checks = tuple(changed.get(name, CheckResult(name, title, n, Outcome.PASS)) for name, title, n in _CHECKS)
    return Report(
        "tcp-server", "sha256:1", "netns", {"port": 11200}, "alice", "sha256:2", 100.0, status, checks
    )


def _check(
    name: str, outcome: Outcome, message: str = "", *evidence: Evidence, by: str | None = None
) -> CheckResult:
    title, points = next((title, n) for known, title, n in _CHECKS if known == name)
    hint = "bind to '' or '0.0.0.0', which means every address of V0." if outcome is Outcome.FAIL else None
    return CheckResult(name, title, points, outcome, message, hint, by, evidence=evidence)


def _refused(host: str, address: str) -> str:
    return (
        f"It listens on 127.0.0.1:11200 only, so {host} is refused at {address}:11200; bind to '' or 0.0.0.0."
    )


def _not_tried(name: str) -> CheckResult:
    words = "Not tried, because it builds on a check that failed."
    return _check(name, Outcome.BLOCKED, words, by="reachable_from_v1")


FULL_MARKS = _report(Status.GRADED)
LOOPBACK_ONLY = _report(
    Status.GRADED,
    _check("reachable_on_eth0", Outcome.FAIL, _refused("V0", "192.168.0.10"), _PRINTED),
    _check("reachable_from_v1", Outcome.FAIL, _refused("V1", "192.168.1.10"), _PRINTED),
    *map(_not_tried, ("prints_client_address", "prints_message", "closes_connection", "port_reusable")),
)
REJECTED = replace(
    _report(Status.REJECTED),
    checks=(),
    submission_digest=None,
    error="no tcp_server.py in day08/; there is tcp_sever.py. Hand in tcp_server.py, by exactly that name.",
)
LOST_CONNECTION = "v1: the connection to its agent broke: the connection ended."
INCOMPLETE = replace(
    _report(
        Status.INCOMPLETE,
        _check("reachable_from_v1", Outcome.ERROR, LOST_CONNECTION),
        *(
            _check(name, Outcome.ERROR, "It builds on reachable_from_v1, which could not be judged.")
            for name in ("prints_client_address", "prints_message", "closes_connection", "port_reusable")
        ),
    ),
    error=f"reachable_from_v1: {LOST_CONNECTION}",
)
NO_LAB = replace(_report(Status.INCOMPLETE), checks=(), error="The lab's hosts did not come up within 30 s.")
LONG_PRINTOUT = replace(
    _report(
        Status.GRADED,
        _check(
            "prints_message",
            Outcome.FAIL,
            'The client sent "0123456789abcdef hello from V1"; the program printed only a part of it: '
            "the number in recv() is the most bytes that it returns, and 1024 is enough.",
            Evidence("What the program printed", "\n".join(f"line {number}" for number in range(1, 21))),
        ),
        replace(_check("port_reusable", Outcome.FAIL, "A secret.", _PRINTED), hidden=True),
    ),
    notes=("The file was found in day08/scripts/.",),
)  # fmt: skip
QUARANTINED = replace(
    _report(
        Status.GRADED,
        replace(
            _check("port_reusable", Outcome.FAIL, "It cannot be started again at once."),
            points=0.0,
            quarantined=True,
        ),
    ),
    possible=90.0,
    notes=(
        (
            "«Started again at once after it served a client, the program listens again» is in quarantine "
            "since 2026-03-02: netns and vagrant do not agree on it. It is tried and told, but worth none of "
            "its 10 points."
        ),
    ),
)
ALL = {
    "full_marks": FULL_MARKS,
    "loopback_only": LOOPBACK_ONLY,
    "rejected": REJECTED,
    "incomplete": INCOMPLETE,
    "no_lab": NO_LAB,
    "quarantined": QUARANTINED,
    "long_printout_hidden_check_and_note": LONG_PRINTOUT,
}
