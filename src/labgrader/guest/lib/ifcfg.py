"""What an ``ifcfg-*`` file asks of an interface: pure functions, nothing is executed or configured."""

import ipaddress
from collections import namedtuple

from shellwords import ShellSyntaxError, parse, show

# addresses: list of (IPv4 address, prefix length) as (str, int); dns: list of str;
# gateway, domain, hwaddr, macaddr: str or None; mtu: int or None; protocol: "static" or "dhcp"
Interface = namedtuple(
    "Interface",
    "path device onboot protocol addresses gateway dns peerdns domain"
    " hwaddr macaddr mtu persistent zeroconf notes",
)

_FALSE = ("n", "no", "f", "false", "off", "0")
_TRUE = ("y", "yes", "t", "true", "on", "1")
_DEVICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_HOST_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."


class IfcfgError(Exception):
    """The file cannot be used; ``problems`` holds the sentences, each with file and line."""

    def __init__(self, problems, device=None):
        Exception.__init__(self, "\n".join(problems))
        self.problems = problems
        self.device = device


def is_false(value):
    """Tell whether initscripts would take ``value`` for a no."""
    return value.lower() in _FALSE


def is_true(value):
    """Tell whether initscripts would take ``value`` for a yes."""
    return value.lower() in _TRUE


def decode(data):
    """Turn the bytes of a file into text, never failing; foreign bytes stay visible as escapes."""
    return data.decode("utf-8", "backslashreplace")


class _Reader:
    """Looks keys up and gathers what is wrong with those that are used."""

    def __init__(self, settings):
        self.settings = settings
        self.problems = []

    def where(self, key):
        return "%s:%d" % (self.settings[key].path, self.settings[key].line)

    def fail(self, key, sentence):
        self.problems.append("%s: %s" % (self.where(key), sentence))

    def text(self, key):
        """Return the value of ``key``, "" when it is absent, empty or unusable."""
        setting = self.settings.get(key)
        if setting is None or not setting.value:
            return ""
        if setting.problem:
            self.fail(key, "%s=%s cannot be used: %s." % (key, show(setting.value), setting.problem))
            return ""
        if "\r" in setting.value:
            self.fail(
                key,
                "%s=%s ends in a carriage return (Windows line ending); save the file with"
                " Unix line endings." % (key, show(setting.value)),
            )
            return ""
        return setting.value

    def address(self, key):
        value = self.text(key)
        if not value:
            return None
        address = ipv4(value)
        if address is None:
            self.fail(key, "%s=%s is not an IPv4 address." % (key, show(value)))
        return address

    def mac(self, key):
        value = self.text(key)
        if not value:
            return None
        parts = value.split(":")
        if len(parts) == 6 and all(len(p) == 2 and not p.strip("0123456789abcdefABCDEF") for p in parts):
            return value.lower()
        self.fail(key, "%s=%s is not an Ethernet address like 52:54:00:12:34:56." % (key, show(value)))
        return None


def ipv4(text):
    """Return ``text`` as ipaddress.IPv4Address, or None; leading zeros are refused, being octal to some."""
    if any(len(part) > 1 and part.startswith("0") for part in text.split(".")):
        return None
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def read(data, path, name, defaults=()):
    """Return the Interface that the bytes of ``path`` describe.

    name: the interface of the file's name (``eth0`` of ``ifcfg-eth0``), used where DEVICE is absent;
    defaults: settings of /etc/sysconfig/network, which the file overrides. Raises IfcfgError.
    """
    try:
        settings, notes = parse(decode(data), path)
    except ShellSyntaxError as error:
        raise IfcfgError([str(error)], name)
    merged = dict(defaults)
    merged.update(settings)
    reader = _Reader(merged)
    device = _device(reader, name)
    onboot = not is_false(reader.text("ONBOOT"))
    protocol = "dhcp" if reader.text("BOOTPROTO") in ("dhcp", "bootp") else "static"
    addresses = _addresses(reader) if protocol == "static" else []
    gateway = _gateway(reader, device, addresses, notes) if protocol == "static" else None
    peerdns = not is_false(reader.text("PEERDNS"))
    dns = []
    for key in ("DNS1", "DNS2", "DNS3"):
        server = _nameserver(reader, key)
        if server and server not in dns:
            dns.append(server)
    interface = Interface(
        path,
        device,
        onboot,
        protocol,
        addresses,
        gateway,
        dns,
        peerdns,
        _domain(reader),
        reader.mac("HWADDR"),
        reader.mac("MACADDR"),
        _mtu(reader),
        is_true(reader.text("PERSISTENT_DHCLIENT")),
        not reader.text("NOZEROCONF"),
        notes,
    )
    if reader.problems:
        raise IfcfgError(reader.problems, device)
    return interface


def _device(reader, name):
    device = reader.text("DEVICE") or name
    if len(device) > 15 or device.strip(_DEVICE_CHARS) or device[0] in "-." or device == "..":
        key = "DEVICE" if "DEVICE" in reader.settings else None
        sentence = "%s is not a name that a network interface can have." % show(device)
        if key:
            reader.fail(key, "DEVICE=" + sentence)
        else:
            reader.problems.append(sentence)
        return name
    return device


def _addresses(reader):
    """Return [(address, prefix)] of IPADDR, IPADDR0, IPADDR1 ...: from 2 on the first gap ends the list."""
    found = []
    for suffix in ["", *map(str, range(256))]:
        if not reader.settings.get("IPADDR" + suffix, None) or not reader.settings["IPADDR" + suffix].value:
            if suffix and int(suffix) >= 2:
                break
            continue
        address = reader.address("IPADDR" + suffix)
        prefix = _prefix(reader, suffix, address)
        if address is not None and prefix is not None and (str(address), prefix) not in found:
            found.append((str(address), prefix))
    return found


def _prefix(reader, suffix, address):
    """Return the prefix length: PREFIX before NETMASK before the address's old class."""
    text = reader.text("PREFIX" + suffix)
    if text:
        if _small_number(text, 1, 32):
            return int(text)
        reader.fail("PREFIX" + suffix, "PREFIX%s=%s is not a number from 1 to 32." % (suffix, show(text)))
        return None
    mask = reader.address("NETMASK" + suffix)
    if mask is not None:
        bits = bin(int(mask))[2:].zfill(32)
        if "01" in bits or bits[0] == "0":
            reader.fail("NETMASK" + suffix, "NETMASK%s=%s is not a netmask." % (suffix, mask))
            return None
        return bits.count("1")
    if address is None or (reader.settings.get("NETMASK" + suffix, None) and reader.text("NETMASK" + suffix)):
        return None
    first = int(address) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def _small_number(text, low, high):
    return 0 < len(text) <= 5 and not text.strip("0123456789") and low <= int(text) <= high


def _gateway(reader, device, addresses, notes):
    """Return the default gateway, or None; one outside the first address's network is none, as on RHEL."""
    for key in ["GATEWAY"] + ["GATEWAY%d" % n for n in range(256)]:
        gateway = reader.address(key)
        if gateway is None:
            continue
        only = reader.text("GATEWAYDEV")
        if is_false(reader.text("DEFROUTE")) or (only and only != device) or not addresses:
            return None
        network = ipaddress.IPv4Network("%s/%d" % addresses[0], strict=False)
        if gateway in network:
            return str(gateway)
        notes.append(
            "%s: %s=%s is not in the network %s of %s, so it does not become the default route."
            % (reader.where(key), key, gateway, network, device)
        )
        return None
    return None


def _nameserver(reader, key):
    value = reader.text(key)
    if not value:
        return None
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        reader.fail(key, "%s=%s is not an IP address." % (key, show(value)))
        return None


def _domain(reader):
    value = reader.text("DOMAIN")
    if not value:
        return None
    names = value.split()
    if any(name.strip(_HOST_CHARS) or name[0] == "-" or len(name) > 253 for name in names):
        reader.fail("DOMAIN", "DOMAIN=%s is not a list of domain names." % show(value))
        return None
    return " ".join(names)


def _mtu(reader):
    value = reader.text("MTU")
    if not value:
        return None
    if not _small_number(value, 68, 65535):
        reader.fail("MTU", "MTU=%s is not a number from 68 to 65535." % show(value))
        return None
    return int(value)
