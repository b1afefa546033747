"""A virtual machine on QEMU for the tests: it boots from a box's own disk; a port of loopback leads in."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

REPOSITORY = Path(__file__).resolve().parents[2]
LAB_MAC = "02:0a:0b:0c:0d:01"
BOOT_S = 120.0
CARDS = {"virtio": ("if=virtio", "virtio-net-pci"), "ahci": ("if=none,id=disk", "e1000")}


def until(deadline_s: float, what: str, look: Any) -> Any:
    """What `look` returns as soon as that is true; an assertion naming `what` after `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"{what}: not within {deadline_s:g} s"
        time.sleep(0.05)


def insecure_key() -> paramiko.PKey:
    """The private half of the key that every box knows, from Vagrant's own package."""
    listed = subprocess.run(["dpkg", "-L", "vagrant"], capture_output=True, text=True, check=True).stdout
    path = next(line for line in listed.splitlines() if line.endswith("/keys/vagrant"))
    return paramiko.RSAKey.from_private_key_file(path)


@dataclass
class Machine:
    """A QEMU of ours: its process, the port that leads to its port 22, and its monitor."""

    process: subprocess.Popen[bytes]
    port: int
    monitor: Path
    serial: Path
    started: float = field(default_factory=time.monotonic)

    def login(self, user: str, key: paramiko.PKey, deadline_s: float = BOOT_S) -> paramiko.SSHClient:
        """Log in, again and again until the machine answers; AuthenticationException for a refused key."""
        deadline = time.monotonic() + deadline_s
        while True:
            assert self.process.poll() is None, f"QEMU has ended; the console: {self.console()}"
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            try:
                client.connect(
                    "127.0.0.1",
                    self.port,
                    user,
                    pkey=key,
                    look_for_keys=False,
                    allow_agent=False,
                    timeout=3,
                    banner_timeout=3,
                    auth_timeout=10,
                )
                return client
            except paramiko.AuthenticationException:
                client.close()
                raise
            except (OSError, EOFError, paramiko.SSHException):
                client.close()
                assert time.monotonic() < deadline, f"no SSH in {deadline_s} s; console: {self.console()}"

    def ask(self, command: str) -> Any:
        """Say one command of QEMU's to its monitor, as "system_powerdown" or "human: savevm x"."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(self.monitor))
            stream = link.makefile("rw")
            stream.readline()
            human = command.removeprefix("human: ")
            order = (
                {"execute": command}
                if human == command
                else {"execute": "human-monitor-command", "arguments": {"command-line": human}}
            )
            for line in ({"execute": "qmp_capabilities"}, order):
                stream.write(json.dumps(line) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "return" not in answer and "error" not in answer:
                    answer = json.loads(stream.readline())
            assert "error" not in answer, answer
            return answer["return"]

    def console(self) -> str:
        return self.serial.read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def booted(box: Path, folder: Path, kind: str, memory_mb: int = 256) -> Iterator[Machine]:
    """A machine from the box's disk; `kind` of hardware: "virtio", or "ahci" with an e1000."""
    with tarfile.open(box) as archive:
        name = next(name for name in archive.getnames() if name.endswith((".img", ".vmdk")))
        archive.extract(name, folder, filter="data")
    disk = folder / "machine.qcow2"
    source = "vmdk" if name.endswith(".vmdk") else "qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", source, "-b", str(folder / name), str(disk)]
    subprocess.run(make, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    drive, card = CARDS[kind]
    argv = [
        *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64,+rdrand", "-m", str(memory_mb)),
        *("-display", "none", "-vga", "none", "-monitor", "none", "-serial", f"file:{folder}/serial"),
        *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
        *("-drive", f"file={disk},format=qcow2,cache=unsafe,{drive}"),
        *("-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", f"{card},netdev=n0,romfile="),
        *("-netdev", "hubport,id=n1,hubid=1", "-device", f"{card},netdev=n1,mac={LAB_MAC},romfile="),
    ]
    if kind == "ahci":
        argv += ["-device", "ahci,id=sata", "-device", "ide-hd,drive=disk,bus=sata.0"]
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield Machine(process, port, folder / "qmp", folder / "serial")
    finally:
        process.kill()
        process.wait()


def run(client: paramiko.SSHClient, command: str, stdin: bytes = b"") -> str:
    """Run a command that must succeed; what it said on standard output."""
    sender, out, err = client.exec_command(command, timeout=60)
    sender.write(stdin)
    sender.channel.shutdown_write()
    said, complaint = out.read().decode(), err.read().decode()
    assert out.channel.recv_exit_status() == 0, f"{command}: {said}{complaint}"
    return said


def prepare(client: paramiko.SSHClient, settings: dict[str, Any]) -> None:
    """Carry the guest folder over and prepare the machine, as the provisioner does."""
    packed = subprocess.run(
        ["tar", "-cz", "--exclude=__pycache__", "-C", str(REPOSITORY / "src" / "labgrader"), "guest"],
        capture_output=True,
        check=True,
    ).stdout
    run(client, "sudo sh -c 'mkdir -p /root/prepare && tar -xz -C /root/prepare'", packed)
    run(client, "sudo sh -c 'cat > /root/prepare/settings.json'", json.dumps(settings).encode())
    run(client, "sudo sh /root/prepare/guest/vm/prepare.sh /root/prepare/settings.json")
