"""The room itself: Vagrant makes two machines on one network, keeps, restores and removes them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.providers.vagrant.box import Boxes
from tests.vagrant.conftest import HERE, Hypervisor

COMMAND_S = 400.0
# The stand-in's log of calls and its locks.
KEPT = {"calls.log", "networks.lock", "register.lock"}
Vagrant = Callable[..., str]


@pytest.fixture(params=["libvirt", "virtualbox"])
def hypervisor(request: pytest.FixtureRequest) -> Hypervisor:
    found: Hypervisor = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def vagrant(
    hypervisor: Hypervisor, box: Boxes, tmp_path: Path, record_property: Callable[[str, object], None]
) -> Iterator[Vagrant]:
    """Runs Vagrant in a project of two machines and records the seconds; a failed test leaves none."""
    shutil.copy(HERE / "vagrantfile_of_two.rb", tmp_path / "Vagrantfile")
    environment = {**hypervisor.environment, "TEST_BOX": str(getattr(box, hypervisor.provider))}

    def run(*words: str, status: int = 0) -> str:
        began = time.monotonic()
        done = subprocess.run(
            ["vagrant", *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        taken = time.monotonic() - began
        record_property(f"{hypervisor.provider}: {' '.join(words[:2])}", round(taken, 1))
        print(f"{hypervisor.provider}: {taken:6.1f} s  vagrant {' '.join(words)}")
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    yield run
    with contextlib.suppress(AssertionError):
        run("destroy", "-f")


def there_is(hypervisor: Hypervisor) -> dict[str, set[str]]:
    """Everything in the room that machines could leave behind."""
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    processes = {
        f"{path.name} {path.joinpath('comm').read_text().strip()}"
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and path.name != "self"
    }
    found = {"links": {link["ifname"] for link in links}, "processes": processes}
    folders = [hypervisor.state]
    if hypervisor.provider == "libvirt":
        # Not /run: libvirt itself leaves the empty pid file of a network's ended dnsmasq there.
        folders = [Path("/etc/libvirt"), Path("/var/lib/libvirt")]
    found["files"] = {
        str(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.name not in KEPT and not path.is_dir()
    }
    if hypervisor.provider == "libvirt":
        for what in ("list", "net-list"):
            said = subprocess.run(
                ["virsh", "-q", what, "--all", "--name"], capture_output=True, text=True, check=True
            )
            found[what] = set(said.stdout.split())
    return found


def test_two_machines_from_up_to_destroy(hypervisor: Hypervisor, vagrant: Vagrant) -> None:
    before = there_is(hypervisor)
    vagrant("up")
    vagrant("ssh", "two", "-c", setup(1))
    # Frames of one machine reach the other, over the internal network alone. What is written then, in memory
    # and on the disk, comes back as it was.
    ping = "ping -c 1 -W 5 192.168.0.11"
    vagrant(
        "ssh",
        "one",
        "-c",
        f"{setup(0)} && {ping} && echo kept > /dev/shm/memory && echo kept > ~/disk && sync",
    )
    vagrant("snapshot", "save", "one", "ready")
    vagrant("ssh", "one", "-c", "rm /dev/shm/memory; echo changed > ~/disk; sync")
    vagrant("snapshot", "restore", "--no-provision", "one", "ready")
    said = vagrant("ssh", "one", "-c", f"cat /dev/shm/memory ~/disk && {ping} > /dev/null && echo reached")
    assert said.split() == ["kept", "kept", "reached"]

    vagrant("halt", "-f")
    states = {
        line.split(",")[3]
        for line in vagrant("status", "--machine-readable").splitlines()
        if ",state," in line
    }
    assert states == {"shutoff" if hypervisor.provider == "libvirt" else "poweroff"}
    vagrant("destroy", "-f")
    remove_base(hypervisor)
    left = {what: there - before[what] for what, there in there_is(hypervisor).items()}
    assert left == {what: set() for what in before}


def setup(number: int) -> str:
    """A command for the machine: its card on the lab's network gets an address."""
    words = f"ip -br link | awk '$3 == \"02:00:00:00:00:0{number}\" {{print $1}}' | cut -d@ -f1"
    return (
        f"nic=$({words}); sudo ip link set $nic up && sudo ip address add 192.168.0.{10 + number}/24 dev $nic"
    )


def remove_base(hypervisor: Hypervisor) -> None:
    """What is kept for the next machine of the same box: by libvirt a volume, by VirtualBox a machine."""
    if hypervisor.provider == "libvirt":
        for path in hypervisor.state.iterdir():
            subprocess.run(["virsh", "-q", "vol-delete", str(path)], check=True, stdout=subprocess.DEVNULL)
        for words in (["pool-destroy", "default"], ["pool-undefine", "default"]):
            subprocess.run(["virsh", "-q", *words], check=True, stdout=subprocess.DEVNULL)
        return
    command = ["VBoxManage", "list", "vms"]
    listed = subprocess.run(command, env=hypervisor.environment, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        machine = line.rpartition("{")[2].rstrip("}")
        subprocess.run(
            ["VBoxManage", "unregistervm", machine, "--delete"],
            env=hypervisor.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def test_the_room_is_not_the_machine(room: Path) -> None:
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    assert [link["ifname"] for link in links][:1] == ["lo"]
    assert not [link for link in links if link["ifname"].startswith(("eth", "en"))]
    assert os.stat("/var/lib/libvirt").st_ino == os.stat(room / "libvirt" / "var-lib-libvirt").st_ino
    assert b"vagrant_room" in Path("/proc/1/cmdline").read_bytes()
