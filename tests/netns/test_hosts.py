"""What sets a namespace host apart: namespaces and files of its own, and ids that are nobody's outside."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

import pytest

from tests.contract.labs import Up

pytestmark = pytest.mark.namespaces
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def test_every_host_has_namespaces_of_its_own(up: Up) -> None:
    ours = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    seen = [
        {kind: host.run("readlink", f"/proc/self/ns/{kind}")[1].strip() for kind in KINDS}
        for host in up.hosts
    ]
    for kind in KINDS:
        links = [ours[kind], *(one[kind] for one in seen)]
        assert len(set(links)) == len(links), f"{kind}: {links}"


def test_every_host_has_its_own_name_and_processes(up: Up) -> None:
    for host in up.hosts:
        assert host.run("hostname")[1].strip() == host.hostname
        lines = host.run("ps", "-e", "-o", "pid=,args=")[1].splitlines()
        assert re.match(r"\s*1 /usr/bin/python3 .*init\.py", lines[0])
        assert 3 <= len(lines) < 12, lines
        assert not [line for line in lines if "supervisor" in line or "pytest" in line]
    assert socket.gethostname() not in {host.hostname for host in up.hosts}


def test_nothing_of_the_machine_s_files_shows(up: Up, tmp_path: Path) -> None:
    marker = tmp_path / f"marker-{secrets.token_hex(8)}"
    marker.touch()
    for host in up.hosts:
        found = host.run("sh", "-c", f"find / -name {marker.name} 2> /dev/null; true")[1]
        assert found == ""
        assert host.run("find", "/", "-maxdepth", "1", "-name", "work")[1] == ""
        mounts = host.run("cat", "/proc/self/mountinfo")[1]
        for place in (
            str(tmp_path),
            str(Path(__file__).resolve().parents[2]),
            os.path.expanduser("~/.cache"),
        ):
            assert place not in mounts
        assert "labgrader" not in mounts, "not even the name of a folder"
        kinds = {line.split(" - ")[1].split()[0] for line in mounts.splitlines()}
        assert kinds <= {"overlay", "proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "mqueue"}
        # No open file of init's leads out either.
        opened = host.run("sh", "-c", "for fd in /proc/1/fd/*; do readlink $fd; done; readlink /proc/1/cwd")[
            1
        ]
        for target in opened.split("\n"):
            assert re.fullmatch(r"|/|/dev/null|socket:\[\d+\]|/var/log/\S+", target), target


def test_root_of_a_host_is_nobody_outside(up: Up) -> None:
    for host in up.hosts:
        for kind in ("uid_map", "gid_map"):
            lines = host.run("cat", f"/proc/self/{kind}")[1].splitlines()
            rows = [tuple(int(word) for word in line.split()) for line in lines]
            assert rows[0][:2] == (0, 0), "seen from the lab, whose own ids are mapped again"
            for side in (0, 1):
                ids = [number for row in rows for number in range(row[side], row[side] + row[2])]
                assert sorted(ids) == list(range(65536))
        status, said = host.run("sh", "-c", "echo 1 > /proc/sys/kernel/sysrq", check=False)
        assert status != 0, said
        assert host.run("mknod", "/dev/sda", "b", "8", "0", check=False)[0] != 0
        assert host.run("mount", "-o", "remount,rw", "/sys", check=False)[0] != 0


def test_devices_are_those_that_do_no_harm(up: Up) -> None:
    for host in up.hosts:
        names = set(host.run("ls", "/dev")[1].split())
        assert names <= {
            "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr",
            "ptmx", "pts", "shm", "log", "mqueue", "console",
        }  # fmt: skip
