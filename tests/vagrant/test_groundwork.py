"""What is laid before the snapshot is there in every lease, and whoever laid it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vagrant.test_provider import Lab, lab  # noqa: F401 - a fixture

LAB = """
name: early
title: A service that is there early
points: 100
networks: [lan0]
hosts:
  v0:
    hostname: V0
    student: true
    interfaces:
      eth0: {network: lan0, address: 192.168.0.10/24}
    services:
      network: {early: true}
      xinetd: {early: true}
    files:
      - path: /etc/sysconfig/network-scripts/ifcfg-eth0
        template: ifcfg
        values: {interface: eth0}
        service: network
      - {path: /etc/xinetd.d/telnet, template: telnet, service: xinetd}
submission:
  files:
    answer: {host: v0, path: /home/student/answer, owner: student}
"""
TELNET = """
service telnet
{
    socket_type = stream
    wait = no
    user = root
    server = /usr/sbin/in.telnetd
    disable = no
}
"""
# Processes are numbered in the order of their starts; the grader's agent is the parent of what it runs.
CHECK = '''
import pytest


@pytest.mark.points(100)
def test_early(v0):
    """xinetd was there before the grader came, and the grader is there once."""
    _, agent = v0.run("sh", "-c", "echo $PPID")
    _, xinetd = v0.run("cat", "/run/xinetd.pid")
    assert int(xinetd) < int(agent)
    _, agents = v0.run("pgrep", "-f", "labgrader/agent.py")
    assert agents.split() == [agent.strip()]
    assert 23 in {socket.port for socket in v0.sockets()}
'''


@pytest.fixture
def early_lab(tmp_path: Path) -> Path:
    folder = tmp_path / "labs" / "early"
    for name in ("checks", "templates", "reference"):
        (folder / name).mkdir(parents=True)
    (folder / "lab.yaml").write_text(LAB)
    (folder / "reference" / "answer").write_text("42")
    (folder / "templates" / "telnet.j2").write_text(TELNET)
    (folder / "checks" / "test_it.py").write_text(CHECK)
    return folder


@pytest.mark.parametrize("lab", ["libvirt"], indirect=True)
def test_groundwork_is_in_the_snapshot_and_whoever_laid_it_is_gone(
    lab: Lab,  # noqa: F811
    early_lab: Path,
) -> None:
    for when in ("made", "restored"):
        assert lab.check(str(early_lab), "reference")["score"] == 100.0, when
