"""A lab's life: start, ready, destroy, in every order that a grader may come to."""

from __future__ import annotations

import time

import pytest

from labgrader.errors import LabError
from labgrader.providers import Provider
from labgrader.remote import hands
from labgrader.remote.transport import Connection
from tests.contract.labs import LIMITS, TOPOLOGY, running


def test_lab_that_was_destroyed_is_out_of_reach(provider: Provider) -> None:
    with running(provider) as up:
        access = up.lease.hosts["left"]
        assert up.left.run("true") == (0, "")
    with pytest.raises(LabError, match="left: "):
        Connection(access)


@pytest.mark.parametrize("ready", [True, False])
def test_destroy_may_come_twice_and_before_ready(provider: Provider, ready: bool) -> None:
    lab = provider.start(TOPOLOGY, LIMITS)
    if ready:
        lab.ready()
    lab.destroy()
    lab.destroy()


def test_asking_a_host_that_was_destroyed_is_our_failure(provider: Provider) -> None:
    lab = provider.start(TOPOLOGY, LIMITS)
    try:
        with Connection(lab.ready().hosts["left"]) as connection:
            asked = hands.Hands(connection)
            asked.ask("sockets")
            lab.destroy()
            begun = time.monotonic()
            with pytest.raises(LabError, match="left: "):
                asked.ask("sockets", patience_s=60)
            with pytest.raises(LabError, match="left: "):
                connection.run("true")
            assert time.monotonic() - begun < 10
    finally:
        lab.destroy()
