"""`modifyvm`: its options, as VirtualBox 7.0 knows them; an unknown one is refused, as there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from tests.vagrant.stand_in import store
from tests.vagrant.stand_in.hypervisor import CARDS
from tests.vagrant.stand_in.store import Forward, Machine, Nic, Refused

# Taken and shown to nobody: what they set, QEMU has no part of, or does by itself.
IGNORED = {
    *("acpi", "apic", "audioenabled", "audiodriver", "audioin", "audioout", "biosapic", "chipset"),
    *("clipboard", "clipboardmode", "cpuexecutioncap", "defaultfrontend", "description", "draganddrop"),
    *("firmware", "graphicscontroller", "groups", "hpet", "hwvirtex", "ioapic", "largepages", "longmode"),
    *(
        "monitorcount",
        "mouse",
        "nestedhwvirt",
        "nestedpaging",
        "ostype",
        "pae",
        "pagefusion",
        "paravirtprovider",
    ),
    *(
        "rtcuseutc",
        "snapshotfolder",
        "usb",
        "usbehci",
        "usbohci",
        "usbxhci",
        "vram",
        "vrde",
        "vtxux",
        "vtxvpid",
    ),
    *("x2apic", "accelerate3d", "autostartenabled", "hardwareuuid", "keyboard"),
}
IGNORED_OF_NIC = {
    *(
        "bridgeadapter",
        "hostonlyadapter",
        "natbindip",
        "natdnshostresolver",
        "natdnspassdomain",
        "natdnsproxy",
    ),
    *("natnet", "natlocalhostreachable", "nicbootprio", "nicpromisc", "nicspeed", "nictrace"),
}
BOOT = re.compile(r"boot[1-4]")
OF_NIC = re.compile(r"([a-z]+)([1-8])")


def modify(machine: Machine, words: list[str]) -> None:
    """Carry out the options in their order."""
    if machine.is_up or machine.state == "saved":
        raise Refused(f"The machine '{machine.name}' is already locked for a session", code=store.WRONG_STATE)
    left = list(words)

    def value() -> str:
        if not left:
            raise _usage(f"Missing argument to '{option}'")
        return left.pop(0)

    while left:
        option = left.pop(0)
        if not option.startswith("--"):
            raise _usage(f"Invalid parameter '{option}'")
        # Since 7.0 options are written with dashes, --nat-pf1, and the old spelling, --natpf1, still holds.
        name = option.removeprefix("--").replace("-", "")
        of_nic = OF_NIC.fullmatch(name)
        if name == "name":
            _rename(machine, value())
        elif name == "memory":
            machine.settings.memory = _number(option, value(), 4, 2 << 20)
        elif name == "cpus":
            machine.settings.cpus = _number(option, value(), 1, 64)
        elif name == "audio":
            print(
                "Warning: --audio is deprecated and will be removed soon. Use --audio-driver instead!",
                file=sys.stderr,
            )
            machine.settings.other[name] = value()
        elif name in IGNORED or BOOT.fullmatch(name):
            machine.settings.other[name] = value()
        elif re.fullmatch("uart[1-4]", name):
            machine.settings.other[name] = address = value()
            if address != "off":
                value()
        elif re.fullmatch("uartmode[1-4]", name):
            machine.settings.other[name] = mode = value()
            if mode in {"file", "server", "client", "tcpserver", "tcpclient"}:
                value()
        elif of_nic is not None:
            _modify_nic(machine, of_nic[1], int(of_nic[2]), option, value)
        else:
            raise _usage(f"Unknown option: {option}")


def _modify_nic(machine: Machine, what: str, number: int, option: str, value: Callable[[], str]) -> None:
    nic = machine.settings.nics.setdefault(number, Nic(mac=store.new_mac()))
    if what == "nic":
        nic.kind = value()
        if nic.kind == "null":
            nic.kind = "none"
        elif nic.kind not in {"none", "nat", "intnet"}:
            raise Refused(f"The stand-in has no network of the kind '{nic.kind}'", status=2)
    elif what == "intnet":
        nic.network = value()
    elif what == "macaddress":
        mac = value()
        nic.mac = store.new_mac() if mac == "auto" else mac.upper()
        # VirtualBox refuses a group address, too.
        if not re.fullmatch("[0-9A-F][02468ACE][0-9A-F]{10}", nic.mac):
            raise Refused(f"Invalid MAC address format: '{mac}'", code="E_INVALIDARG (0x80070057)")
    elif what == "nictype":
        nic.model = next((model for model in CARDS if model.lower() == (given := value()).lower()), "")
        if not nic.model:
            raise Refused(f"Invalid NIC type '{given}' specified for NIC {number}", status=2)
    elif what == "cableconnected":
        nic.cable = value() == "on"
        if not nic.cable:
            raise Refused("The stand-in cannot pull a cable", status=2)
    elif what == "natpf":
        _forward(machine, number, value(), value)
    elif what in IGNORED_OF_NIC:
        machine.settings.other[f"{what}{number}"] = value()
    else:
        raise _usage(f"Unknown option: {option}")


def _forward(machine: Machine, number: int, first: str, value: Callable[[], str]) -> None:
    rules = machine.settings.forwards
    if first == "delete":
        name = value()
        gone = [rule for rule in rules if rule.nic == number and rule.name == name]
        if not gone:
            raise Refused(f"There is no NAT rule '{name}'", code="E_INVALIDARG (0x80070057)")
        rules.remove(gone[0])
        return
    parts = first.split(",")
    if len(parts) != 6 or parts[1] not in {"tcp", "udp"} or not (parts[3] + parts[5]).isdigit():
        raise _usage(f"Invalid port-forwarding rule: '{first}'")
    name, protocol, host_ip, host_port, guest_ip, guest_port = parts
    if any(rule.name == name for rule in rules):
        raise Refused("A NAT rule of this name already exists", code="E_INVALIDARG (0x80070057)")
    rules.append(Forward(number, name, protocol, host_ip, int(host_port), guest_ip, int(guest_port)))


def _rename(machine: Machine, name: str) -> None:
    if any(other.name == name and other.uuid != machine.uuid for other in store.machines()):
        raise Refused(
            f"Could not rename the directory to '{name}' to save the settings file (VERR_ALREADY_EXISTS)",
            code=store.FILE_ERROR,
        )
    machine.name = name


def _number(option: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise _usage(f"Invalid value for option '{option}': '{text}'")
    return int(text)


def _usage(words: str) -> Refused:
    return Refused(words, status=2)
