"""ifup, ifdown and the ``network`` service over the ifcfg files, by the host's iproute2 and dhclient."""

import os
import sys
from _socket import if_nameindex, if_nametoindex  # the full socket module costs 6 ms at every start

import dhcp
import ifcfg
import proc
import resolvconf
from shellwords import ShellSyntaxError, parse, show

SCRIPTS = "/etc/sysconfig/network-scripts"
GLOBAL = "/etc/sysconfig/network"
LIMIT = 64 * 1024  # bytes of a file
_BACKUPS = (
    "~",
    ".bak",
    ".old",
    ".orig",
    ".rpmnew",
    ".rpmorig",
    ".rpmsave",
    ".swp",
    ".save",
    ".labgrader-new",
)


class NetworkError(Exception):
    """An interface could not be configured; ``str()`` is one sentence a line."""


def configured():
    """Return the interface names of the ifcfg files without lo, eth2 before eth10."""
    try:
        files = os.listdir(SCRIPTS)
    except OSError:
        return []
    names = [f[6:] for f in files if f.startswith("ifcfg-") and not f.endswith(_BACKUPS)]
    return sorted((n for n in names if n and n != "lo" and ":" not in n), key=_order)


def _order(name):
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or "0") if len(name) - len(stem) < 10 else 0, name


def load(name):
    """Return the Interface of ``ifcfg-NAME``; raises NetworkError where it cannot be read or used."""
    path = "%s/ifcfg-%s" % (SCRIPTS, name)
    try:
        return ifcfg.read(_contents(path), path, name, _globals())
    except ifcfg.IfcfgError as error:
        raise NetworkError(str(error))


def _contents(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not hold us
    except OSError as error:
        raise NetworkError("%s: %s." % (path, error.strerror))
    try:
        if os.fstat(fd).st_mode & 0o170000 != 0o100000:
            raise NetworkError("%s: not a regular file." % path)
        data = os.read(fd, LIMIT + 1)
    finally:
        os.close(fd)
    if len(data) > LIMIT:
        raise NetworkError("%s: larger than %d bytes." % (path, LIMIT))
    return data


def _globals():
    try:
        return parse(ifcfg.decode(_contents(GLOBAL)), GLOBAL)[0]
    except (NetworkError, ShellSyntaxError):
        return {}


def _present():
    return {name for _, name in if_nameindex()}


def up(name, boot=False):
    """Configure the interface of ``ifcfg-NAME``; at ``boot`` not with ONBOOT=no. Raises NetworkError."""
    interface = load(name)
    for note in interface.notes:
        say(note)
    if boot and not interface.onboot:
        return
    device = interface.device
    if device not in _present():
        raise NetworkError(
            "%s: Device %s does not seem to be present, delaying initialization." % (interface.path, device)
        )
    if interface.hwaddr and _mac(device) not in (None, interface.hwaddr, interface.macaddr):
        raise NetworkError(
            "%s: Device %s has different MAC address than expected, ignoring." % (interface.path, device)
        )
    dhcp.stop(device)
    _ip(_commands_up(interface), interface)
    if interface.protocol == "dhcp":
        trouble = dhcp.start(device, interface.persistent, interface.peerdns)
        if trouble:
            raise NetworkError(
                "%s: Determining IP information for %s... failed; %s" % (interface.path, device, trouble)
            )
    if interface.peerdns and (interface.dns or interface.domain):
        resolvconf.update(interface.dns, interface.domain)


def _commands_up(interface):
    device = interface.device
    lines = _commands_flush(device)
    if interface.macaddr and interface.macaddr != _mac(device):
        lines += ["link set dev %s down" % device, "link set dev %s address %s" % (device, interface.macaddr)]
    if interface.mtu:
        lines.append("link set dev %s mtu %d" % (device, interface.mtu))
    lines.append("link set dev %s up" % device)
    for address in interface.addresses:
        scope = " scope host" if device == "lo" else " brd +"
        lines.append("addr add %s/%d" % address + scope + " dev " + device)
    if interface.gateway:
        lines.append("route replace default via %s dev %s" % (interface.gateway, device))
    if interface.zeroconf and device != "lo" and (interface.addresses or interface.protocol == "dhcp"):
        lines.append(
            "route add 169.254.0.0/16 dev %s metric %d scope link" % (device, 1000 + if_nametoindex(device))
        )
    return lines


def _commands_flush(device):
    return [
        "addr flush dev %s scope global" % device,
        "addr flush dev %s scope link" % device,
        "addr flush dev %s scope host" % device,
        "route flush dev %s" % device,
    ]


def _ip(lines, interface):
    status, _, err = proc.run(["ip", "-4", "-force", "-batch", "-"], ("\n".join(lines) + "\n").encode())
    if status:
        raise NetworkError(
            "%s: %s could not be configured as asked: %s"
            % (interface.path, interface.device, reason(err, lines))
        )


def reason(err, lines):
    """Return the kernel's complaints about a batch of ip commands, each with the command it is about."""
    said = []
    complaint = ""
    for line in err.decode("utf-8", "replace").splitlines():
        number = line[len("Command failed -:") :]
        if line.startswith("Command failed -:") and number.isdigit():
            said.append("%s (ip %s)" % (complaint or "failed", lines[int(number) - 1]))
            complaint = ""
        elif line.strip():
            complaint = line.strip()
    return "; ".join(said) or complaint or "ip failed"


def _mac(device):
    try:
        with open("/sys/class/net/%s/address" % device) as stream:
            return stream.read().strip().lower()
    except OSError:
        return None


def down(name, boot=False):
    """Take the interface of ``ifcfg-NAME`` down: no address, no route, no dhclient. Raises NetworkError.

    boot: an interface that the file cannot tell is taken from the file's name, without complaint.
    """
    try:
        device = load(name).device
    except NetworkError:
        if not boot and not os.path.exists("%s/ifcfg-%s" % (SCRIPTS, name)):
            raise
        device = name
    if device not in _present():
        if boot:
            return
        raise NetworkError("Device %s does not seem to be present." % show(device))
    dhcp.stop(device)
    _force([*_commands_flush(device), "link set dev %s down" % device])


def _force(lines):
    proc.run(["ip", "-4", "-force", "-batch", "-"], ("\n".join(lines) + "\n").encode())


def start():
    """Bring up lo and every interface with an ifcfg file, in name order; return the exit status, 0 or 1."""
    status = 0
    _force(["link set dev lo up", "addr replace 127.0.0.1/8 scope host dev lo"])
    for name in configured():
        try:
            up(name, boot=True)
        except NetworkError as error:
            status = 1
            say("Bringing up interface %s: FAILED" % show(name)[1:-1])
            say(str(error))
    return status


def stop():
    """Take every interface with an ifcfg file down, and lo; return the exit status."""
    _stop(configured())
    _force(["link set dev lo down"])
    return 0


def restart():
    """Bring the network to exactly what the ifcfg files ask; return the exit status.

    An interface that comes up again only loses its addresses and routes: its link need not blink.
    """
    _stop([name for name in configured() if not _stays(name)])
    return start()


def _stays(name):
    try:
        return load(name).onboot
    except NetworkError:
        return False


def _stop(names):
    for name in reversed(names):
        down(name, boot=True)


def say(text):
    """Write ``text`` and a newline to stderr."""
    sys.stderr.write(text + "\n")


def main(argv):
    """``ifup NAME...`` or ``ifdown NAME...``; return the exit status."""
    command = os.path.basename(argv[0])
    names = [a for a in argv[1:] if a != "boot"]
    if len(names) != 1:
        say("Usage: %s <configuration>" % command)
        return 1
    name = os.path.basename(names[0])
    name = name[6:] if name.startswith("ifcfg-") else name
    if not os.path.exists("%s/ifcfg-%s" % (SCRIPTS, name)):
        say("%s: configuration for %s not found." % (command, show(names[0])))
        return 1
    if os.geteuid():
        say("Users cannot control this device.")
        return 1
    try:
        (up if command == "ifup" else down)(name, "boot" in argv[1:])
    except NetworkError as error:
        say(str(error))
        return 1
    return 0
