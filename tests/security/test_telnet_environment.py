"""CVE-2026-24061: a client that says `USER=-f root` makes an old telnetd start a login without a password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labgrader.checking.probes import Host
from tests.contract.labs import Up
from tests.security.telnet_client import CLIENT

pytestmark = pytest.mark.namespaces
TELNET = """service telnet
{
	disable = no
	socket_type = stream
	wait = no
	user = root
	server = /usr/sbin/in.telnetd
	%s
}
"""
# What a student could hand in: today's telnetd takes USER from its client only when it is told to.
ACCEPTING = "server_args = --accept-env=USER"
# An old telnetd's work in a few lines: it puts what the client said of its user before login as it is.
VULNERABLE = "server_args = --accept-env=USER -E /tmp/old-login"
OLD_LOGIN = """#!/bin/sh
exec /bin/login -p -h 192.168.1.11 $USER
"""
ATTACKS = (
    "-f root",
    "-froot",
    "-f\troot",
    "--f root",
    "root -f",
    "-p -f root",
    "-h x -f root",
    "'-f root'",
    "-f\nroot",
)


@pytest.fixture
def serving(up: Up) -> Iterator[Host]:
    before = up.middle.run("cat", "/etc/xinetd.d/telnet")[1]
    # telnetd asks for its client's name, and no name server is there.
    up.middle.run("sh", "-c", "cp /etc/hosts /tmp/hosts.kept; echo 192.168.1.11 RIGHT >> /etc/hosts")
    serve(up.middle, "")
    yield up.middle
    up.middle.run("sh", "-c", 'printf %s "$1" > /etc/xinetd.d/telnet; systemctl stop xinetd', "sh", before)
    up.middle.run("sh", "-c", "cat /tmp/hosts.kept > /etc/hosts; rm -f /tmp/hosts.kept /tmp/old-login")


def serve(host: Host, more: str) -> None:
    host.run(
        "sh", "-c", 'printf %s "$1" > /etc/xinetd.d/telnet && systemctl restart xinetd', "sh", TELNET % more
    )


def shown_to(host: Host, user: str, patience_s: float = 6.0) -> str:
    return host.run("python3", "-c", CLIENT, user, str(patience_s), timeout_s=20.0)[1]


def test_a_user_by_name_is_taken_from_the_client(up: Up, serving: Host) -> None:
    # The control: the option does arrive, since no login name is asked for.
    serve(serving, ACCEPTING)
    said = shown_to(up.right, "lisi")
    assert said.startswith("ASKED\n")
    assert "assword:" in said
    assert "login:" not in said.partition("assword:")[0], said


@pytest.mark.parametrize("more", ["", ACCEPTING], ids=["as it comes", "told to accept USER"])
def test_an_option_for_login_in_the_users_name_opens_nothing(up: Up, serving: Host, more: str) -> None:
    serve(serving, more)
    for user in ATTACKS if more else ATTACKS[:3]:
        said = shown_to(up.right, user)
        assert said.startswith("ASKED\n"), user
        assert "uid-0-" not in said and "#" not in said, f"{user!r}: {said}"


def test_the_attack_is_one(up: Up, serving: Host) -> None:
    """With an unchecked name before the same login, root is in: what holds is telnetd's own check."""
    serving.run("sh", "-c", 'printf %s "$1" > /tmp/old-login; chmod 755 /tmp/old-login', "sh", OLD_LOGIN)
    serve(serving, VULNERABLE)
    assert "uid-0-" in shown_to(up.right, "-f root")
