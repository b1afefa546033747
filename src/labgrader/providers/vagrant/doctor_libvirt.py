"""What libvirt and QEMU need of a machine. Judgements take texts; `findings` reads the machine."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from labgrader import doctor_host as host
from labgrader.doctor_findings import Finding, State, install_command
from labgrader.doctor_host import Clash, Needs
from labgrader.errors import LabError
from labgrader.providers.vagrant import settings
from labgrader.providers.vagrant.doctor_virtualbox import disk

WAY = "libvirt"
URI = "qemu:///system"
# libvirt-daemon-system has systemd's units and the group libvirt: libvirt-daemon alone is a program that
# nothing starts. With it comes systemd-container, in the version of the archive's systemd: a Debian that
# missed updates gets systemd's with it, which is no more than its own next upgrade. The tests, on machines
# that nobody upgrades, do without it and start the daemon themselves (develop/vagrant_tests.py).
PACKAGES = (
    "libvirt-daemon-system",
    "libvirt-daemon-driver-qemu",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "dnsmasq-base",
    "iptables",
)
DNF = ("libvirt-daemon-kvm", "libvirt-client", "qemu-kvm", "qemu-img", "dnsmasq", "iptables-nft")
DAEMONS = ("libvirtd.service", "virtqemud.service")
POOL = Path("/var/lib/libvirt/images")
QEMU = ("qemu-system-x86_64", "qemu-kvm", "/usr/libexec/qemu-kvm")
MANAGEMENT = "10.121.0.0/24"
MANAGES = ("management",)  # whose the network for management is, in a clash
KVM = "/dev/kvm"
KVM_GET_API_VERSION = 0xAE00  # <linux/kvm.h>: _IO(KVMIO, 0x00), which answers 12
KVM_API = 12


def findings(vagrant: str | None, plugins: str, needs: Needs) -> Iterator[Finding]:
    """Every check of this way: `vagrant` = the command's path, `plugins` = what it lists."""
    for finding in _findings(vagrant, plugins, needs):
        yield replace(finding, way=WAY)


def plugin_version(text: str) -> str | None:
    """The version of vagrant-libvirt in what `vagrant plugin list` printed; None if it is not there."""
    found = re.search(r"^vagrant-libvirt \((\d[^,)\s]*)", text, re.MULTILINE)
    return found[1] if found else None


def daemon(
    status: int | None, complaint: str, *, user: str, root: bool, units: Iterable[str] = ()
) -> Finding:
    """What it means that `virsh … version` ended so; `units` = the units of daemons that are there."""
    name, sudo = "libvirt's daemon", "" if root else "sudo "
    if status == 0:
        return Finding(State.OK, name, f"answers at {URI}")
    told = host.told(complaint)
    if re.search("permission denied|polkit|policy prevents|authentication", complaint, re.IGNORECASE):
        what = f"does not let {user} in ({told})"
        return Finding(State.LACKS, name, what, f"run: {sudo}usermod -aG libvirt {user}, then log in anew")
    if re.search("no such file|connection refused|failed to connect socket", complaint, re.IGNORECASE):
        unit = next(iter(units), None)
        if unit is not None:
            return Finding(State.LACKS, name, "is not running", f"run: {sudo}systemctl enable --now {unit}")
        remedy = f"run: {install_command(PACKAGES[:1], DNF[:1])}"
        return Finding(
            State.LACKS, name, "is not running, and systemd knows none", remedy, packages=PACKAGES[:1]
        )
    return Finding(State.LACKS, name, f"does not answer: {told}", f"run: virsh -c {URI} version")


def emulation(usable: bool, why: str, driver: str) -> Finding:
    """Whether machines run on the processor itself; `driver` = what they get, asked for or not."""
    slow = "machines run under software emulation, where one boots in about 15 s and programs run far slower"
    if driver == "qemu":
        reason = "though /dev/kvm can be used: unset LABGRADER_LIBVIRT_DRIVER" if usable else why
        return Finding(State.NOTE, KVM, f"{slow} ({reason})")
    if usable:
        return Finding(State.OK, KVM, "can be used")
    remedy = f"export LABGRADER_LIBVIRT_DRIVER=qemu: then {slow}"
    return Finding(State.LACKS, KVM, f"cannot be used ({why})", remedy)


def judged(clash: Clash) -> Finding:
    """What a clash with one of the machine's networks means for libvirt.

    Only the network for management has an address on the host. Those of the labs are «veryisolated»: a bridge
    that vagrant-libvirt gives no address (create_networks.rb, private_network.xml.erb), so no route either.
    """
    name = "addresses with libvirt"
    if clash.labs != MANAGES:
        harmless = "harmless, the labs' networks have no address on this machine"
        return Finding(State.NOTE, name, f"{clash.words}; {harmless}")
    another = "export LABGRADER_MANAGEMENT=10.X.0.0/24 with another X"
    if clash.hides_all:
        return Finding(State.LACKS, name, clash.words, another)
    hidden = f"{clash.words}, of which these addresses cannot be reached while machines are up"
    return Finding(State.NOTE, name, hidden, another)


def hidden_nameservers(servers: Iterable[IPv4Address], network: IPv4Network) -> list[Finding]:
    """A note for each name server of the machine that the network for management would hide."""
    return [
        Finding(
            State.NOTE,
            "name server",
            f"{server} is in {network}, libvirt's network for management, and cannot be asked while it is up",
            "export LABGRADER_MANAGEMENT=10.X.0.0/24 with another X",
        )
        for server in servers
        if server in network
    ]


def bridges(details: Iterable[str]) -> list[str]:
    """The bridges in what `virsh net-info` printed for several networks."""
    return [found for text in details for found in re.findall(r"^Bridge:[ \t]+(\S+)", text, re.MULTILINE)]


def management(text: str) -> IPv4Network | None:
    """The management network that LABGRADER_MANAGEMENT asks for; None if it is none."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _findings(vagrant: str | None, plugins: str, needs: Needs) -> Iterator[Finding]:
    if vagrant is not None:
        yield _plugin(vagrant, plugins)
    virsh, qemu = host.tool("virsh"), next((path for name in QEMU if (path := host.tool(name))), None)
    run = f"run: {install_command(PACKAGES, DNF)}"
    for what, path in (("virsh", virsh), ("QEMU", qemu)):
        if path is None:
            yield Finding(State.LACKS, what, "not on this machine", run, packages=PACKAGES)
        else:
            yield Finding(State.OK, what, path)
    for command, package, dnf in (
        ("dnsmasq", "dnsmasq-base", "dnsmasq"),
        ("iptables", "iptables", "iptables-nft"),
    ):
        if host.tool(command) is None and virsh is not None:
            mend = f"run: {install_command([package], [dnf])}"
            what = "not on this machine, and libvirt's management network needs it"
            yield Finding(State.LACKS, command, what, mend, packages=(package,))
    ours: list[str] = []
    if virsh is not None:
        answer = host.ask([virsh, "-c", URI, "version"])
        user = os.environ.get("USER") or "you"
        units = [unit for unit in DAEMONS if _unit(unit)]
        yield daemon(answer.status, answer.complaint, user=user, root=os.geteuid() == 0, units=units)
        if answer.status == 0:
            names = host.ask([virsh, "-c", URI, "net-list", "--all", "--name"]).out.split()
            mine = [name for name in names if name.startswith("labgrader-")]
            ours = bridges(host.ask([virsh, "-c", URI, "net-info", name]).out for name in mine)
    # As settings.read has it: where nothing is asked for, machines are emulated rather than not made.
    by_itself = "kvm" if settings.kvm_is_usable() else "qemu"
    yield emulation(*kvm_works(), os.environ.get("LABGRADER_LIBVIRT_DRIVER") or by_itself)
    yield from _addresses(needs, ours)
    yield disk("libvirt's images", POOL, needs)


def kvm_works() -> tuple[bool, str]:
    """Whether /dev/kvm opens, answers and has a processor behind it that can; else the reason."""
    try:
        device = os.open(KVM, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        add = f": {host.sudo()}usermod -aG kvm $USER, then log in anew"
        return False, f"{error.strerror}{add if isinstance(error, PermissionError) else ''}"
    try:
        if fcntl.ioctl(device, KVM_GET_API_VERSION) != KVM_API:
            return False, "it speaks another version of KVM"
    except OSError as error:
        return False, error.strerror or str(error)
    finally:
        os.close(device)
    if host.virtualization(host.read("/proc/cpuinfo")) is None:
        return False, "it opens, but the processor has neither vmx nor svm"
    return True, ""


def _plugin(vagrant: str, plugins: str) -> Finding:
    name = "vagrant-libvirt"
    found = plugin_version(plugins)
    if found is not None:
        return Finding(State.OK, name, found)
    if os.path.realpath(vagrant).startswith("/opt/vagrant/"):
        # Its maker's Vagrant takes no distribution's plugins, but keeps its own in the user's home.
        remedy = f"run: vagrant plugin install {name}"
        return Finding(
            State.LACKS, name, "Vagrant has no such plugin", remedy, fix=lambda: _install_plugin(vagrant)
        )
    run = f"run: {install_command([name], [name])}"
    return Finding(State.LACKS, name, "Vagrant has no such plugin", run, packages=(name,))


def _install_plugin(vagrant: str) -> str:
    answer = host.ask([vagrant, "plugin", "install", "vagrant-libvirt"], seconds=600)
    if answer.status != 0:
        raise LabError(
            f"Vagrant could not install vagrant-libvirt: {host.told(answer.complaint or answer.out)}."
        )
    return "Vagrant installed its plugin vagrant-libvirt."


def _addresses(needs: Needs, ours: Iterable[str]) -> Iterator[Finding]:
    name, asked = "addresses with libvirt", os.environ.get("LABGRADER_MANAGEMENT") or MANAGEMENT
    own = management(asked)
    if own is None:
        yield Finding(
            State.LACKS, name, f"LABGRADER_MANAGEMENT={host.told(asked)} is no network", "write 10.121.0.0/24"
        )
        return
    found = [*map(judged, host.own_clashes({**needs.networks, own: MANAGES}, ours))]
    if all(finding.state is not State.LACKS for finding in found):
        # Where this machine itself has that network, one finding is enough.
        found += hidden_nameservers(host.nameservers(host.read("/etc/resolv.conf")), own)
    yield from found or [Finding(State.OK, name, "no network of a lab is one of this machine's")]


def _unit(name: str) -> bool:
    return any(
        Path(folder, name).exists()
        for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    )
