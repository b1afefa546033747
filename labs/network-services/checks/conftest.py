"""What the checks of this lab share: whether V0's addresses answer, and V0's xinetd at a known hour."""

import pytest

from labgrader.checking.telnet import await_sessions_over
from labgrader.checking.verdicts import blocked

OFFICE_HOURS = "2026-03-02T10:00:00"  # a Monday; within 08:00-12:00


@pytest.fixture
def needs_eth0(gw):
    """Call it where a check needs V0 on 192.168.0.10: blocked by v0_addresses if gw gets no answer there."""

    def look():
        if not gw.ping("192.168.0.10"):
            blocked("v0_addresses", "V0 does not answer on 192.168.0.10.")

    return look


@pytest.fixture
def needs_eth1(v1):
    """The same for 192.168.1.10, seen from V1."""

    def look():
        if not v1.ping("192.168.1.10"):
            blocked("v0_addresses", "V0 does not answer on 192.168.1.10.")

    return look


@pytest.fixture
def fresh_xinetd(v0):
    """Start V0's xinetd anew, with no session left over, and set its clock (default: 10:00 on a Monday)."""

    def restart(clock=OFFICE_HOURS):
        v0.set_clock(clock)
        # The student's file may keep xinetd from starting; the checks see that from outside.
        status, said = v0.run("systemctl", "restart", "xinetd", check=False)
        if status != 0:
            v0.notebook.add("V0: systemctl restart xinetd", said)

    yield restart
    v0.reset_clock()


@pytest.fixture
def nobody_served(v0, fresh_xinetd):
    """Call it before a client whose refusal counts, lest it be refused for the session before it."""

    def wait():
        # A server that stays when its client is gone would be counted on by the same xinetd alone.
        if not await_sessions_over(v0):
            fresh_xinetd()

    return wait
