"""The box that `lab box build` makes, booted by BIOS from its own disk: the way in, preparation, the end.

One machine for the whole story of a libvirt box, one for what differs on VirtualBox's hardware. QEMU is what
boots them: that VirtualBox imports the second is not shown here.
"""

from __future__ import annotations

import dataclasses
import io
import re
import shlex
import subprocess
import tarfile
import time
import xml.etree.ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from labgrader.errors import LabError
from labgrader.providers.vagrant import box
from labgrader.remote.access import Access
from labgrader.remote.hands import Hands
from labgrader.remote.keys import KeyPair, new_key
from labgrader.remote.transport import Connection
from tests.vagrant_box.machine import LAB_MAC, Machine, booted, insecure_key, prepare, run, until

pytestmark = pytest.mark.vagrant
MOST_BYTES = 350 << 20
MACHINE_ID = "0123456789abcdef0123456789abcdef"
IFCFG = "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=static\nIPADDR=192.0.2.10\nPREFIX=24\n"


@pytest.fixture(scope="session")
def boxes() -> box.Boxes:
    return box.build()


@dataclass
class Prepared:
    """A machine that was prepared, and the keys that it was given."""

    machine: Machine
    host: KeyPair
    client: KeyPair
    seconds_to_ssh: float

    def access(self, user: str = "root") -> Access:
        return Access("v0", user, self.host.public, self.client.private, None, "127.0.0.1", self.machine.port)

    def connect(self) -> Connection:
        def attempt() -> Connection | None:
            try:
                return Connection(self.access(), 5.0)
            except LabError:
                return None

        found = until(60.0, "root's login", attempt)
        assert isinstance(found, Connection)
        return found


def settings(host: KeyPair, client: KeyPair) -> dict[str, object]:
    return {
        "hostname": "V0",
        "interfaces": [{"mac": LAB_MAC.upper(), "name": "eth0"}],
        "disk_mb": 64,
        "host_key": host.private,
        "authorized_key": client.public,
        "machine_id": MACHINE_ID,
    }


@pytest.fixture(scope="module")
def prepared(boxes: box.Boxes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with booted(boxes.libvirt, tmp_path_factory.mktemp("libvirt"), "virtio") as machine:
        host, client = new_key(), new_key()
        with machine.login("vagrant", insecure_key()) as first:
            seconds = time.monotonic() - machine.started
            print(f"\nfrom power on to SSH: {seconds:.1f} s")
            began = time.monotonic()
            prepare(first, settings(host, client))
            print(f"prepared in {time.monotonic() - began:.1f} s; memory: {run(first, 'free -m')}")
        yield Prepared(machine, host, client, seconds)


def test_both_boxes_are_small_and_hold_what_vagrant_reads(boxes: box.Boxes) -> None:
    for path, names in (
        (boxes.libvirt, {"metadata.json", "Vagrantfile", "box.img"}),
        (boxes.virtualbox, {"metadata.json", "Vagrantfile", "box.ovf", "labgrader-debian-disk001.vmdk"}),
    ):
        assert path.stat().st_size < MOST_BYTES
        with tarfile.open(path) as archive:
            assert set(archive.getnames()) == names


def test_what_is_in_the_box_is_told_beside_it(boxes: box.Boxes, prepared: Prepared) -> None:
    there = box.built()
    assert there is not None and there[0] == boxes
    with prepared.connect() as connection:
        said = connection.run("dpkg-query -W -f '${Package} ${Version}\\n'; uname -r").stdout.decode()
    *lines, release = said.splitlines()
    installed = dict(line.split() for line in lines)
    told = dict(there[1].packages)
    assert told.pop(f"linux-image-{release}") and told.pop("busybox-static")
    assert told == installed
    assert "inetutils-telnetd" in told


def test_the_ovf_names_the_disk_as_it_is(boxes: box.Boxes, tmp_path: Path) -> None:
    with tarfile.open(boxes.virtualbox) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = xml.etree.ElementTree.parse(tmp_path / "box.ovf").getroot()
    space = "{http://schemas.dmtf.org/ovf/envelope/1}"
    file, disk = next(tree.iter(f"{space}File")), next(tree.iter(f"{space}Disk"))
    image = tmp_path / file.attrib[f"{space}href"]
    assert int(file.attrib[f"{space}size"]) == image.stat().st_size
    said = subprocess.run(["qemu-img", "info", str(image)], capture_output=True, text=True, check=True).stdout
    assert f"({disk.attrib[f'{space}capacity']} bytes)" in said
    assert "create type: streamOptimized" in said
    # The descriptor must be a text that other readers than QEMU's take: type and adapter inside.
    text = image.read_bytes()[:4096].decode("latin-1")
    assert re.search(r'createType="streamOptimized"', text) and "ddb.adapterType" in text


def test_the_grader_comes_in_as_root_by_its_own_key_and_the_pinned_host_key(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        assert connection.run("id -u; hostname; cat /etc/machine-id").stdout.decode().split() == [
            "0",
            "V0",
            MACHINE_ID,
        ]
    with pytest.raises(LabError, match="another machine answers"):
        Connection(dataclasses.replace(prepared.access(), host_key=new_key().public))


def test_a_prepared_machine_no_longer_takes_the_key_that_every_box_knows(prepared: Prepared) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        prepared.machine.login("vagrant", insecure_key())
    own = paramiko.Ed25519Key.from_private_key(io.StringIO(prepared.client.private))
    with prepared.machine.login("vagrant", own) as client:
        assert run(client, "sudo id -u").strip() == "0"


def test_the_ordinary_namespace_knows_nothing_of_management(prepared: Prepared) -> None:
    with prepared.connect() as connection:

        def said(command: str) -> str:
            return connection.run(command).stdout.decode()

        assert re.findall(r"^\d+: ([^:@]+)", said("ip -o link"), re.M) == ["lo", "eth0"]
        assert LAB_MAC in said("ip link show eth0")
        assert re.findall(r"inet6? (\S+)", said("ip -o addr")) == ["127.0.0.1/8"]
        assert said("ip route show table all | grep -v 'dev lo'; true") == ""
        assert said("ss -Hlntu; ls /run/netns /var/run/netns 2>/dev/null; true") == ""
        # No process lives in another network namespace: there is none that one could enter.
        assert len(set(said("readlink /proc/[0-9]*/ns/net").split())) == 1


def test_an_ifcfg_file_is_applied_and_the_agent_answers(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        path = "/etc/sysconfig/network-scripts/ifcfg-eth0"
        connection.run(f"printf %s {shlex.quote(IFCFG)} > {path}")
        connection.run("systemctl restart network")
        assert "inet 192.0.2.10/24" in connection.run("ip -o -4 addr show eth0").stdout.decode()
        hands = Hands(connection)
        try:
            assert hands.ask("account", name="student") == {"uid": 1001, "gid": 1001, "id": 1}
            connection.run(
                "sed -i 's/disable.*/disable = no/' /etc/xinetd.d/telnet && systemctl restart xinetd"
            )
            assert 23 in {item["port"] for item in hands.ask("sockets")["sockets"]}
        finally:
            hands.close()
        connection.run(f"systemctl stop network xinetd; rm {path}")
        # The grader's way does not lie on the lab's networks, so it is still here.
        assert connection.run("ip -o -4 addr show eth0").stdout == b""


def test_the_clock_is_the_machines_own(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        connection.run("labgrader-clock set 2026-03-02T09:00:00")
        assert connection.run("date +%FT%H").stdout.strip() == b"2026-03-02T09"
        with prepared.connect() as second:  # a jump of months is nothing to the way in
            second.run("labgrader-clock reset")
        assert connection.run("date +%FT%H").stdout.strip() != b"2026-03-02T09"


def test_what_ordinary_users_may_write_to_is_bounded(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/home/student", "/home/lisi"):
            said = connection.run(f"stat -f -c '%T %b %S' {place}").stdout.decode().split()
            assert said[0] == "tmpfs" and int(said[1]) * int(said[2]) == 64 << 20, place
        assert connection.run("stat -c '%a %U' /home/student").stdout.split() == [b"750", b"student"]


def test_preparing_again_changes_nothing(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        look = "ip -o link; cat /proc/mounts; cat /etc/labgrader/* | sha256sum"
        before = connection.run(look).stdout
        connection.run("sh /root/prepare/guest/vm/prepare.sh /root/prepare/settings.json")
        assert connection.run(look).stdout == before


def test_the_way_in_comes_back_when_it_is_killed(prepared: Prepared) -> None:
    find = (
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | "
        "grep -q '^[^ ]*python3 -IS .*/management.py' && echo ${p#/proc/}; done"
    )
    with prepared.connect() as connection:
        pid = connection.run(f"{find}; true").stdout.decode().split()
        assert len(pid) == 1
    own = paramiko.Ed25519Key.from_private_key(io.StringIO(prepared.client.private))
    with prepared.machine.login("vagrant", own) as ordinary:
        # A session of an ordinary user holds a connection that nobody closes.
        ordinary.exec_command("exec tail -f /dev/null")
        with prepared.connect() as connection:
            connection.channel(f"kill -9 {pid[0]}")
        with prepared.connect() as connection:
            again = connection.run(f"{find}; true").stdout.decode().split()
            assert len(again) == 1 and again != pid
            assert re.findall(r"^\d+: ([^:@]+)", connection.run("ip -o link").stdout.decode(), re.M) == [
                "lo",
                "eth0",
            ]


def test_a_restored_snapshot_takes_new_connections_at_once(prepared: Prepared) -> None:
    with prepared.connect() as connection:
        connection.run("touch /root/before")
        prepared.machine.ask("human: savevm ready")
        connection.run("rm /root/before; ip link set eth0 name broken0; true")
    prepared.machine.ask("human: loadvm ready")
    began = time.monotonic()
    with prepared.connect() as connection:
        assert (
            connection.run("ls /root/before; cat /sys/class/net/eth0/address").stdout.split()[0]
            == b"/root/before"
        )
    seconds = time.monotonic() - began
    print(f"\nfrom restored to a root shell: {seconds:.1f} s")
    assert seconds < 10.0


def test_a_restart_keeps_what_was_prepared(prepared: Prepared) -> None:
    own = paramiko.Ed25519Key.from_private_key(io.StringIO(prepared.client.private))
    with prepared.connect() as connection:
        before = connection.run("cat /proc/sys/kernel/random/boot_id").stdout
        connection.channel("reboot")

    def another_boot() -> bool:
        try:
            with Connection(prepared.access(), 5.0) as fresh:
                return fresh.run("cat /proc/sys/kernel/random/boot_id").stdout != before
        except LabError:
            return False

    until(90.0, "another start", another_boot)
    with prepared.machine.login("vagrant", own) as client:
        assert run(client, "hostname").strip() == "V0"
        assert run(client, "ip -o link | cut -d: -f2").split() == ["lo", "eth0"]
        assert run(client, "stat -f -c %T /tmp /home/student").split() == ["tmpfs", "tmpfs"]


def test_the_power_button_switches_it_off_within_seconds(prepared: Prepared) -> None:
    began = time.monotonic()
    prepared.machine.ask("system_powerdown")
    prepared.machine.process.wait(20)
    print(f"\nfrom the power button to the end: {time.monotonic() - began:.1f} s")


def test_the_virtualbox_disk_boots_on_a_sata_disk_with_an_intel_card(
    boxes: box.Boxes, tmp_path: Path
) -> None:
    with booted(boxes.virtualbox, tmp_path, "ahci") as machine:
        host, client = new_key(), new_key()
        with machine.login("vagrant", insecure_key()) as first:
            prepare(first, settings(host, client))
            assert run(first, "ip -o link | cut -d: -f2").split() == ["lo", "eth0"]
            first.exec_command("sudo shutdown -h now")  # as Vagrant halts a machine
            machine.process.wait(20)
