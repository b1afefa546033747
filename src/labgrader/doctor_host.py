"""What the doctors of several providers ask of a machine. Parsers are functions of texts."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from labgrader.errors import LabgraderError
from labgrader.model import spec
from labgrader.model.topology import topology
from labgrader.printable import printable

ANSWER_S = 30
SBIN = ":/usr/sbin:/sbin"
# A VPN that takes all traffic does it with two halves of everything: whatever is more specific still wins.
TOO_BROAD = 4

Version = tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended; status None = it could not be started or did not end."""

    status: int | None
    out: str
    complaint: str


@dataclass(frozen=True)
class Clash:
    """A network of a lab that overlaps one of the machine's own."""

    network: IPv4Network
    labs: tuple[str, ...]
    own: IPv4Network
    place: str  # such as "eth0" or "a route through tun0"
    interface: str

    @property
    def hides_all(self) -> bool:
        """Whether all of the machine's own network would be hidden, not only a part of a broader one."""
        return self.own.subnet_of(self.network)

    @property
    def words(self) -> str:
        """The clash as part of a sentence."""
        return f"{self.network} ({', '.join(self.labs)}) is also this machine's {self.own} ({self.place})"


@dataclass(frozen=True)
class Needs:
    """What the labs of this checkout ask of a machine.

    `networks` with the labs that have them; `broken` = why a lab.yaml cannot be read.
    """

    networks: Mapping[IPv4Network, tuple[str, ...]]
    labs: int
    largest: str
    memory_mb: int
    broken: tuple[str, ...] = ()


def ask(
    argv: Sequence[str], *, environment: Mapping[str, str] | None = None, seconds: float = ANSWER_S
) -> Answer:
    """Run a command that only tells something, in the C locale, from the top folder and with no input."""
    env = {
        **os.environ,
        "LC_ALL": "C",
        "PATH": os.environ.get("PATH", os.defpath) + SBIN,
        **(environment or {}),
    }
    try:
        done = subprocess.run(
            argv, cwd="/", env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", f"no answer within {seconds:g} s")
    except OSError as error:
        return Answer(None, "", error.strerror or str(error))
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def tool(name: str) -> str | None:
    """The path of a command, looked for in the folders of the system's own as well."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + SBIN)


def read(path: str | Path) -> str:
    """A file's text, empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def told(text: str) -> str:
    """The last line of what a program printed, harmless and without its full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1]).rstrip(".") if lines else "it printed nothing"


def dotted(numbers: Version) -> str:
    """A version as it is written."""
    return ".".join(map(str, numbers))


def sudo() -> str:
    """What stands before a command that only root may run."""
    return "" if os.geteuid() == 0 else "sudo "


def virtualization(cpuinfo: str) -> str | None:
    """The processor's flag for virtual machines in /proc/cpuinfo: vmx (Intel VT-x), svm (AMD-V) or None."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "flags":
            return next((flag for flag in ("vmx", "svm") if flag in value.split()), None)
    return None


def module_users(modules: str) -> dict[str, int]:
    """How often each module in /proc/modules is in use; "-" (unloading is not built in) counts as 0."""
    found = {}
    for line in modules.splitlines():
        words = line.split()
        if len(words) >= 3:
            found[words[0]] = int(words[2]) if words[2].isascii() and words[2].isdigit() else 0
    return found


def kernel_version(release: str) -> Version:
    """The first two numbers of a kernel's release; (0, 0) for what is none."""
    numbers = re.match(r"(\d{1,6})\.(\d{1,6})", release, re.ASCII)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def memory_mb(meminfo: str) -> tuple[int, int]:
    """All and available memory in /proc/meminfo, in MB; 0 for what it does not tell."""
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", meminfo, re.MULTILINE | re.ASCII))
    return int(found.get("MemTotal", 0)) >> 10, int(found.get("MemAvailable", 0)) >> 10


def nameservers(resolv_conf: str) -> list[IPv4Address]:
    """The IPv4 servers that resolv.conf(5) names."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                found.append(IPv4Address(words[1]))
            except ValueError:
                continue
    return found


def own_networks(addresses: str, routes: str) -> list[tuple[IPv4Network, str, str]]:
    """The machine's IPv4 networks out of `ip -j addr` and `ip -j route`: network, place, interface.

    Loopback, routes to everywhere, and what a route shares with an address of its interface are left out.
    """
    found = []
    for link in _records(addresses):
        name = str(link.get("ifname", "?"))
        for entry in _dicts(link.get("addr_info")):
            network = _network(f"{entry.get('local')}/{entry.get('prefixlen')}")
            if entry.get("family") == "inet" and network is not None and not network.is_loopback:
                found.append((network, name, name))
    for route in _records(routes):
        network, name = _network(str(route.get("dst"))), str(route.get("dev", "?"))
        if network is None or network.prefixlen < TOO_BROAD or network.is_loopback:
            continue
        if (network, name) not in [(known, device) for known, _, device in found]:
            found.append((network, f"a route through {name}", name))
    return found


def clashes(
    wanted: Mapping[IPv4Network, tuple[str, ...]],
    own: Iterable[tuple[IPv4Network, str, str]],
    but_for: Iterable[str] = (),
) -> list[Clash]:
    """Each network of `wanted` that overlaps one of `own`; the interfaces in `but_for` are labgrader's."""
    ours = set(but_for)
    return [
        Clash(network, labs, other, place, interface)
        for network, labs in wanted.items()
        for other, place, interface in own
        if interface not in ours and network.overlaps(other)
    ]


def own_clashes(wanted: Mapping[IPv4Network, tuple[str, ...]], but_for: Iterable[str] = ()) -> list[Clash]:
    """The clashes on this machine; none where there is no `ip` to ask."""
    addresses, routes = ask(["ip", "-j", "addr"]), ask(["ip", "-j", "route"])
    return clashes(wanted, own_networks(addresses.out, routes.out), but_for)


def needs(folder: Path | None = None) -> Needs:
    """What the labs (of `folder`, or all of this checkout's) need at most, one lab at a time."""
    networks: dict[IPv4Network, tuple[str, ...]] = {}
    memory: dict[str, int] = {}
    broken = []
    for name in spec.lab_names(folder):
        try:
            lab = topology(spec.find(name, folder))
        except LabgraderError as error:
            broken.append(error.message.splitlines()[0].rstrip("."))
            continue
        memory[name] = sum(machine.memory_mb for machine in lab.machines)
        for nic in (nic for machine in lab.machines for nic in machine.nics):
            if nic.address is not None:
                seen = networks.get(nic.address.network, ())
                networks[nic.address.network] = seen if name in seen else (*seen, name)
    largest = max(memory, key=lambda name: memory[name], default="")
    return Needs(networks, len(memory), largest, memory.get(largest, 0), tuple(broken))


def _network(text: str) -> IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def _records(text: str) -> list[dict[str, object]]:
    try:
        return _dicts(json.loads(text))
    except (ValueError, RecursionError):
        return []


def _dicts(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
