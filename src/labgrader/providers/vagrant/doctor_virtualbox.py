"""What VirtualBox needs of a machine. Judgements take texts; `findings` reads the machine.

The oldest Vagrant for each VirtualBox: Vagrant's CHANGELOG (2.2.7 for 6.1, 2.3.2 for 7.0 [GH-12947], 2.4.2
for 7.1 [GH-13513], 2.4.9 for 7.2 [GH-13709]) and `driver_map` in plugins/providers/virtualbox/driver/meta.rb.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import platform
import pwd
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labgrader import doctor_host as host
from labgrader.doctor_findings import Finding, State, has_dnf, install_command
from labgrader.doctor_host import Needs, Version
from labgrader.printable import printable
from labgrader.providers.vagrant import doctor_install, doctor_kvm

WAY = "virtualbox"
OLDEST = (6, 1)
GREW_MB = 2048  # what the disks of one lab's machines grow to, snapshot included
BOX_MB = 2048  # a box unpacked, from which the machines are cloned
OLDEST_VAGRANT: Mapping[Version, Version] = {
    (6, 1): (2, 2, 7),
    (7, 0): (2, 3, 2),
    (7, 1): (2, 4, 2),
    (7, 2): (2, 4, 9),
}
NEWEST_KNOWN_VAGRANT = (2, 4, 9)
NETWORKS_CONF = "/etc/vbox/networks.conf"
DEVICE = "/dev/vboxdrv"
HEADLESS = [Path(folder, "VBoxHeadless") for folder in ("/usr/lib/virtualbox", "/usr/lib64/virtualbox")]


def findings(vagrant: Version | None, needs: Needs) -> Iterator[Finding]:
    """Every check of this way; `vagrant` is the version that is installed, None if there is none."""
    for finding in _findings(vagrant, needs):
        yield replace(finding, way=WAY)


def version(text: str) -> Version | None:
    """The version in what `VBoxManage --version` prints, warnings before it or not; None if there is none."""
    found = re.findall(r"^(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?=[r_\s-]|$)", text, re.MULTILINE | re.ASCII)
    return tuple(int(number) for number in found[-1]) if found else None


def stands_in(text: str) -> bool:
    """Whether `VBoxManage --version` is that of labgrader's own stand-in for tests."""
    return "StandIn" in text


def goes_with(vagrant: Version, virtualbox: Version) -> Finding:
    """Whether this Vagrant knows this VirtualBox."""
    name = "Vagrant with VirtualBox"
    series, pair = virtualbox[:2], f"Vagrant {host.dotted(vagrant)} and VirtualBox {host.dotted(virtualbox)}"
    if series in OLDEST_VAGRANT and vagrant >= OLDEST_VAGRANT[series]:
        return Finding(State.OK, name, f"{pair} go together")
    if series > max(OLDEST_VAGRANT) and vagrant > NEWEST_KNOWN_VAGRANT:
        return Finding(
            State.NOTE, name, f"whether {pair} go together is not known here", "run: vagrant status"
        )
    fitting = [known for known, oldest in OLDEST_VAGRANT.items() if vagrant >= oldest]
    remedies = []
    if series in OLDEST_VAGRANT:
        remedies.append(
            f"install Vagrant {host.dotted(OLDEST_VAGRANT[series])} or newer, run: {doctor_install.vagrant()}"
        )
    if fitting:
        remedies.append(
            f"install VirtualBox {host.dotted(max(fitting))}, run: {doctor_install.virtualbox(max(fitting))}"
        )
    return Finding(
        State.LACKS, name, f"{pair} do not go together", ", or ".join(remedies) or "install older ones"
    )


def networks_conf(text: str) -> list[str]:
    """What is wrong in an /etc/vbox/networks.conf: words for each line that VirtualBox cannot read.

    A line is empty, begins with #, or is `* RANGE …` with IPv4 or IPv6 ranges (VirtualBox manual, host-only).
    """
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] != "*":
            wrong.append(f"line {number} does not begin with «* »: {printable(line.strip(), 60)}")
            continue
        if len(words) == 1:
            wrong.append(f"line {number} names no range")
        for word in words[1:]:
            try:
                ipaddress.ip_network(word, strict=False)
            except ValueError:
                wrong.append(f"line {number}: {printable(word, 60)} is no address range")
    return wrong


def machine_folder(properties: str) -> str | None:
    """Where VirtualBox puts machines, out of `VBoxManage list systemproperties`."""
    found = re.search(
        r"^Default machine folder:[ \t]+(\S.*?)[ \t\r]*$", properties, re.MULTILINE | re.IGNORECASE
    )
    return found[1] if found else None


def access(mode: int, group: str, groups: Sequence[str], *, root: bool) -> str | None:
    """The group that a user lacks for a file that only its group may use; None if nothing is lacking.

    Hardened builds open the device as root themselves (0600): then the group matters for USB alone.
    """
    if root or group == "root" or group in groups or not mode & 0o070 or mode & 0o007:
        return None
    return group


def _findings(vagrant: Version | None, needs: Needs) -> Iterator[Finding]:
    path = host.tool("VBoxManage")
    if path is None:
        fitting = [
            series for series, oldest in OLDEST_VAGRANT.items() if vagrant is None or vagrant >= oldest
        ]
        yield Finding(
            State.LACKS,
            "VirtualBox",
            "not on this machine",
            f"run: {doctor_install.virtualbox(max(fitting, default=(7, 0)))}",
        )
        return
    answer = host.ask([path, "--version"])
    found = version(answer.out)
    if found is None:
        what = f"{path} --version tells no version: {host.told(answer.complaint or answer.out)}"
        yield Finding(State.LACKS, "VirtualBox", what, "install VirtualBox anew")
        return
    if stands_in(answer.out):
        yield Finding(
            State.NOTE,
            "VirtualBox",
            f"{path} is labgrader's stand-in on QEMU: no result on it is VirtualBox's",
        )
    elif found[:2] < OLDEST:
        yield Finding(
            State.LACKS,
            "VirtualBox",
            f"{host.dotted(found)} is older than 6.1",
            f"run: {doctor_install.virtualbox((7, 0))}",
        )
    else:
        yield Finding(State.OK, "VirtualBox", f"{host.dotted(found)} ({path})")
    if vagrant is not None:
        yield goes_with(vagrant, found)
    if not stands_in(answer.out):
        yield _processor()
        yield _module(answer.out + answer.complaint)
        yield _group()
        yield doctor_kvm.finding(found)
    yield _networks_conf()
    yield from _addresses(needs)
    yield _disk(path, needs)


def _processor() -> Finding:
    name = "processor"
    if platform.machine() != "x86_64":
        what = f"the boxes are for x86-64, and this is {platform.machine()}"
        return Finding(State.LACKS, name, what, "use --provider netns")
    cpuinfo = host.read("/proc/cpuinfo")
    flag = host.virtualization(cpuinfo)
    if flag is not None:
        return Finding(State.OK, name, f"has {'VT-x' if flag == 'vmx' else 'AMD-V'} ({flag})")
    remedy = "switch VT-x or AMD-V on in the firmware's set-up"
    if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE):
        remedy = "this is itself a virtual machine: give it nested virtualization, or use --provider netns"
    return Finding(
        State.LACKS,
        name,
        "neither vmx nor svm in /proc/cpuinfo, without which VirtualBox runs nothing",
        remedy,
    )


def _module(warnings: str) -> Finding:
    name = "VirtualBox's kernel module"
    if os.path.exists(DEVICE) and "vboxdrv" in host.module_users(host.read("/proc/modules")):
        return Finding(State.OK, name, f"vboxdrv is loaded, {DEVICE} is there")
    sudo = "" if os.geteuid() == 0 else "sudo "
    release = platform.release()
    if host.tool("modinfo") and host.ask(["modinfo", "vboxdrv"]).status == 0:
        what, remedy = "vboxdrv is built for this kernel and not loaded", f"run: {sudo}modprobe vboxdrv"
        if _secure_boot():
            remedy += (
                " (if a required key is not available: Secure Boot wants the module signed, see mokutil(1))"
            )
        return Finding(State.LACKS, name, what, remedy)
    own = "dkms" in warnings or os.path.exists("/usr/share/doc/virtualbox-dkms")
    build = "dpkg-reconfigure virtualbox-dkms" if own and not has_dnf() else "/sbin/vboxconfig"
    headers = install_command([f"linux-headers-{release}"], [f"kernel-devel-{release}"])
    before = "" if os.path.isdir(f"/lib/modules/{release}/build") else f"{headers} && "
    return Finding(
        State.LACKS,
        name,
        f"there is no vboxdrv for the kernel that runs ({release})",
        f"run: {before}{sudo}{build}",
    )


def _group() -> Finding:
    name = "right to use VirtualBox"
    user, groups = _user(), [_group_name(number) for number in {*os.getgroups(), os.getegid()}]
    for path in (Path(DEVICE), *HEADLESS):
        try:
            found = path.stat()
        except OSError:
            continue
        if group := access(
            stat.S_IMODE(found.st_mode), _group_name(found.st_gid), groups, root=os.geteuid() == 0
        ):
            remedy = f"run: sudo usermod -aG {group} {user}, then log in anew"
            return Finding(
                State.LACKS, name, f"{path} is for the group {group} alone, in which {user} is not", remedy
            )
    return Finding(State.OK, name, "no group is needed for it here")


def _networks_conf() -> Finding:
    wrong = networks_conf(host.read(NETWORKS_CONF))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        what = f"{wrong[0]}{more}; the labs do without host-only networks, others do not"
        return Finding(State.NOTE, NETWORKS_CONF, what, f"mend the line, run: sudoedit {NETWORKS_CONF}")
    return Finding(
        State.OK, NETWORKS_CONF, "the labs' networks are internal, to which its limits do not apply"
    )


def _addresses(needs: Needs) -> Iterator[Finding]:
    name = "addresses with VirtualBox"
    found = host.own_clashes(needs.networks)
    for clash in found:
        yield Finding(
            State.NOTE, name, f"{clash.words}; harmless, the labs' networks are internal to VirtualBox"
        )
    if not found:
        yield Finding(State.OK, name, "no network of a lab is one of this machine's")


def _disk(path: str, needs: Needs) -> Finding:
    folder = machine_folder(host.ask([path, "list", "systemproperties"]).out)
    return disk("VirtualBox's machine folder", Path(folder) if folder else Path.home(), needs)


def disk(name: str, folder: Path, needs: Needs) -> Finding:
    """Whether the machines of the labs have room in `folder`, all labs' kept at once or at least one's."""
    there = folder
    while not os.path.exists(there):  # also where a folder above it is closed to us
        there = there.parent
    room = os.statvfs(there)
    free = room.f_bavail * room.f_frsize >> 20
    one, every = BOX_MB + GREW_MB, BOX_MB + needs.labs * GREW_MB
    if free >= every:
        return Finding(State.OK, name, f"{folder}, {free} MB free")
    what = f"{folder} has {free} MB free; all labs' machines take about {every} MB, one lab's {one} MB"
    return Finding(State.LACKS if free < one else State.NOTE, name, what, "free some")


def _secure_boot() -> bool:
    for path in Path("/sys/firmware/efi/efivars").glob("SecureBoot-*"):
        try:
            return path.read_bytes()[-1:] == b"\x01"
        except OSError:
            return False
    return False


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
