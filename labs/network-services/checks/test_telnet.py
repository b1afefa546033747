"""Telnet under xinetd on V0, judged by who gets in: V1 with the real client, V0 itself, a third session."""

import contextlib
import re

import pytest

from labgrader.checking.telnet import PORT, Session, serves
from labgrader.checking.verdicts import blocked, fail
from labgrader.errors import LabError
from labgrader.printable import printable

V0_ADDRESS = "192.168.1.10"
OUR_DAY = "2026-03-02T"
INSIDE = ("08:10:00", "11:50:00", "12:40:00", "16:50:00")
OUTSIDE = ("07:50:00", "12:15:00", "17:10:00", "23:30:00")


@pytest.mark.points(
    10,
    after=["v0_addresses"],
    hint="server = /usr/sbin/in.telnetd must run as user = root: it starts login, which becomes lisi. "
    "disable = no.",
)
def test_telnet_login(v0, v1, needs_eth1, fresh_xinetd):
    """lisi logs in from V1 over telnet and gets a shell of her own."""
    needs_eth1()
    fresh_xinetd()
    with Session(v1, V0_ADDRESS) as session:
        if not session.log_in("lisi", "1"):
            fail(_why_no_login(v0, v1, session))
        uid = session.user_id()
        if uid is None:
            fail("The login went through, but no shell answered.")
        if uid != 1000:
            fail(f"The login gave a shell with uid {uid}; lisi's is 1000.")


@pytest.mark.points(6, after=["telnet_login"], hint="only_from = 192.168.1.11")
def test_telnet_only_from(v0, v1, needs_eth1, fresh_xinetd, nobody_served):
    """V1 is served, V0 itself is refused."""
    needs_eth1()
    fresh_xinetd()
    if not serves(v1, V0_ADDRESS):
        blocked("telnet_login", "V1 is not served at all.")
    if not v0.proves_reach(v0, V0_ADDRESS):
        raise LabError("V0 cannot exchange bytes with itself, which would be needed to see a refusal.")
    open_to = []
    for address in (V0_ADDRESS, "192.168.0.10", "127.0.0.1"):
        nobody_served()
        if serves(v0, address):
            open_to.append(address)
    if open_to:
        fail(f"V0 itself is served on {' and '.join(open_to)}; only V1, 192.168.1.11, may be.")


@pytest.mark.points(6, after=["telnet_login"], hint="instances = 2")
def test_telnet_instances(v0, v1, needs_eth1, fresh_xinetd):
    """Two sessions at once are served, the third is refused."""
    needs_eth1()
    fresh_xinetd()
    with contextlib.ExitStack() as sessions:
        for number in (1, 2):
            session = sessions.enter_context(Session(v1, V0_ADDRESS))
            if session.expect("login: ?$") is not None:
                continue
            if number == 1:
                blocked("telnet_login", "Not one session comes as far as a login prompt.")
            fail("The second session at once was refused already; two must be served.")
        if serves(v1, V0_ADDRESS):
            fail("A third session at once was served; it must be refused.")


@pytest.mark.points(8, after=["telnet_login"], hint="access_times = 08:00-12:00 12:30-17:00")
def test_telnet_access_times(v0, v1, needs_eth1, fresh_xinetd, nobody_served):
    """Telnet is served from 08:00 to 12:00 and from 12:30 to 17:00, and refused at other hours."""
    needs_eth1()
    fresh_xinetd()
    if not serves(v1, V0_ADDRESS):
        blocked("telnet_login", "V1 is not served at all, not even at 10:00.")
    served = {}
    for hour in sorted(INSIDE + OUTSIDE):
        nobody_served()
        v0.set_clock(OUR_DAY + hour)
        served[hour] = serves(v1, V0_ADDRESS)
    missing = [hour[:5] for hour in INSIDE if not served[hour]]
    extra = [hour[:5] for hour in OUTSIDE if served[hour]]
    words = []
    if missing:
        words.append(f"refused at {' and '.join(missing)}")
    if extra:
        words.append(f"served at {' and '.join(extra)}")
    if words:
        fail(f"By V0's clock, V1 was {', and '.join(words)}.")


@pytest.mark.points(
    4, requires=["telnet_login"], hint="Let in.telnetd start login; do not start a shell in its place."
)
def test_telnet_root_refused(v1, needs_eth1, fresh_xinetd, nobody_served):
    """root cannot log in over telnet."""
    needs_eth1()
    fresh_xinetd()
    with Session(v1, V0_ADDRESS) as session:
        if not session.log_in("lisi", "1") or not session.can_become_root("redhat"):
            raise LabError("lisi could not become root with the password that is to be refused over telnet.")
    nobody_served()
    with Session(v1, V0_ADDRESS) as session:
        if session.log_in("root", "redhat") and session.user_id() is not None:
            fail("root logged in over telnet.")


def _why_no_login(v0, v1, session):
    """What kept lisi out, in a sentence."""
    xinetd = v0.services["xinetd"]
    shown = session.transcript.strip().splitlines()
    last = printable(shown[-1], 160) if shown else ""
    if not xinetd.ok:
        v0.notebook.add("V0: systemctl restart xinetd", xinetd.said)
        return "xinetd did not start on V0, so nobody can log in."
    _status, log = v0.run("tail", "-n", "8", "/var/log/messages", check=False)
    v0.notebook.add("V0: tail of xinetd's log", log)
    errors = re.findall(r"xinetd\[\d+\]: ERROR: (.+)", log)
    why = f" It says: {printable(errors[-1], 200)}." if errors else ""
    if not any(s.port == PORT and s.proto.startswith("tcp") for s in v0.sockets()):
        return f"Nothing listens on V0's telnet port 23: xinetd took no telnet service from your file.{why}"
    if "login:" not in session.transcript:
        if not serves(v1, V0_ADDRESS):
            return (
                "V0 takes V1's connection on port 23 and closes it without a word: "
                f"xinetd refuses it or cannot start the server.{why}"
            )
        return f"No login prompt came; the last words were: {last}"
    if "ncorrect" in session.transcript:
        return "lisi's login with her password was refused (Login incorrect)."
    return f"lisi's login did not lead to a shell; the last words were: {last}"
