"""The QEMU that runs a machine: its words, its start, what is asked of it, its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from typing import Any

from tests.vagrant.stand_in import faults, intnet
from tests.vagrant.stand_in.store import FAILURE, FILE_ERROR, Machine, Nic, Refused, qemu_is_alive

ASK_S = 120.0
END_S = 10.0
# The slots in which VirtualBox has its cards, so that a guest's names for them are the same: enp0s3, enp0s8 …
SLOTS = {1: 3, 2: 8, 3: 9, 4: 10, 5: 16, 6: 17, 7: 18, 8: 19}
DISK_SLOT = 13
CARDS = {"82540EM": "e1000", "82545EM": "e1000-82545em", "82543GC": "e1000-82544gc", "Am79C973": "pcnet"}
CARDS["virtio"] = "virtio-net-pci"
# Everything that the translating QEMU can do: a modern kernel finds rdrand, and asks for no workaround.
CPU = "max"


def start(machine: Machine) -> None:
    """Run it: from its saved state if it has one, else through the BIOS. Refused with QEMU's own words."""
    folder = machine.folder
    if len(os.fsencode(folder / "qmp")) > 107:
        raise Refused(f"{folder} is too long a path for a socket in it; set STAND_IN_STATE", code=FILE_ERROR)
    (folder / "pid").unlink(missing_ok=True)
    taps = {
        f"vb{machine.uuid[:8]}-{number}": nic.network
        for number, nic in machine.settings.nics.items()
        if nic.kind == "intnet"
    }
    intnet.prune()
    with intnet.plugged(taps) as descriptors:
        for descriptor in descriptors.values():
            os.set_inheritable(descriptor, True)
        done = subprocess.run(
            _words(machine, list(descriptors.values())),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=list(descriptors.values()),
        )
    if done.returncode != 0:
        intnet.prune()
        raise Refused(
            f"The virtual machine '{machine.name}' has terminated unexpectedly during startup with exit code"
            f" {done.returncode} ({done.returncode:#x})",
            *done.stderr.strip().splitlines(),
            code=FAILURE,
        )
    machine.pid = int((folder / "pid").read_text())
    machine.state = "running"
    if machine.resume == "saved":
        monitor(machine, "delvm saved")
    machine.resume = ""


def end(machine: Machine) -> None:
    """Pull its plug and wait until it is gone; killed if it does not go within END_S seconds."""
    if qemu_is_alive(machine):
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(machine.pid)
            signal.pidfd_send_signal(process, signal.SIGTERM)
            if not select.select([process], [], [], END_S)[0]:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], END_S)
            os.close(process)
    machine.pid = 0
    machine.state = "poweroff"
    (machine.folder / "pid").unlink(missing_ok=True)
    intnet.prune()


def ask(machine: Machine, command: str, **arguments: Any) -> Any:
    """One command of QEMU's machine protocol and its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ASK_S)
        connection.connect(str(machine.folder / "qmp"))
        stream = connection.makefile("rw", encoding="utf-8")
        stream.readline()  # its greeting
        for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer: dict[str, Any] = {}
            while not answer.keys() & {"return", "error"}:
                line = stream.readline()
                if not line:
                    raise Refused(f"{command}: the machine went away", code=FAILURE)
                answer = json.loads(line)
            if "error" in answer:
                raise Refused(f"{command}: {answer['error']['desc']}", code=FAILURE)
    return answer["return"]


def monitor(machine: Machine, line: str) -> None:
    """A command of QEMU's monitor that says nothing when it works."""
    said = ask(machine, "human-monitor-command", **{"command-line": line})
    if said:
        raise Refused(f"{line.split()[0]}: {said.strip()}", code=FILE_ERROR)


def _words(machine: Machine, descriptors: list[int]) -> list[str]:
    folder, settings = machine.folder, machine.settings
    words = ["qemu-system-x86_64", "-name", machine.name.replace(",", ",,"), "-uuid", machine.uuid]
    words += ["-nodefaults", "-no-user-config", "-machine", "pc", "-accel", "tcg", "-cpu", CPU]
    words += ["-m", str(settings.memory), "-smp", str(settings.cpus), "-rtc", "base=utc"]
    words += ["-display", "none", "-vga", "std", "-boot", "strict=on", "-daemonize"]
    words += ["-pidfile", str(folder / "pid"), "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
    words += ["-serial", f"file:{folder}/console.log"]
    words += ["-drive", f"file={machine.disk},format=qcow2,if=none,id=disk,cache=unsafe"]
    words += _disk(settings.controller, settings.port)
    free = iter(descriptors)
    for number, nic in sorted(settings.nics.items()):
        if nic.kind == "nat":
            words += ["-netdev", _nat(machine, number)]
        elif nic.kind == "intnet":
            words += ["-netdev", f"tap,id=net{number},fd={next(free)}"]
        if nic.kind != "none":
            words += ["-device", _card(number, nic)]
    if machine.resume:
        words += ["-loadvm", machine.resume]
    if faults.frozen():
        words += ["-S"]
    return words


def _disk(controller: str, port: int) -> list[str]:
    slot = f"{DISK_SLOT:#x}"
    if controller == "IntelAhci":
        return [
            "-device",
            f"ahci,id=ahci,addr={slot}",
            "-device",
            f"ide-hd,drive=disk,bus=ahci.{port},bootindex=1",
        ]
    if controller == "PIIX4":
        return ["-device", "ide-hd,drive=disk,bus=ide.0,bootindex=1"]
    return ["-device", f"virtio-scsi-pci,addr={slot}", "-device", "scsi-hd,drive=disk,bootindex=1"]


def _nat(machine: Machine, number: int) -> str:
    # restrict: a guest reaches nothing beyond the card but what forwarded connections bring.
    words = [f"user,id=net{number},restrict=on"]
    for rule in machine.settings.forwards:
        if rule.nic == number:
            guest = f"{rule.guest_ip}:{rule.guest_port}"
            words.append(f"hostfwd={rule.protocol}:{rule.host_ip}:{rule.host_port}-{guest}")
    return ",".join(words)


def _card(number: int, nic: Nic) -> str:
    mac = ":".join(nic.mac[i : i + 2] for i in range(0, 12, 2))
    return f"{CARDS[nic.model]},netdev=net{number},mac={mac},addr={SLOTS[number]:#x},romfile="
