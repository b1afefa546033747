"""What a virtual machine of a lab knows of itself, and the interfaces and scratch places made from it.

``/etc/labgrader/machine.json`` is written when the machine is prepared: {"hostname", "interfaces":
[{"mac", "name"}], "disk_mb"}. Run as a program at boot on a machine whose own init is kept. Python 3.6
syntax, standard library only.
"""

import json
import os
import subprocess
import sys

from mounts import mount

SETTINGS = "/etc/labgrader/machine.json"
# Where an ordinary user may write, each a file system of its own: the same list as a namespace host's.
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/home/student", "/home/lisi")
MS_NOSUID, MS_NODEV = 2, 4


def settings():
    """The machine's settings, or None before it is prepared."""
    try:
        with open(SETTINGS) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def interfaces():
    """Every interface but lo, in the order in which the kernel found them: [(name, mac)]."""
    found = []
    for name in os.listdir("/sys/class/net"):
        try:
            found.append((int(_read(name, "ifindex")), name, _read(name, "address").lower()))
        except (OSError, ValueError):
            continue  # it went away meanwhile, or is no interface (bonding_masters)
    return [(name, mac) for _, name, mac in sorted(found) if name != "lo"]


def _read(name, field):
    with open("/sys/class/net/%s/%s" % (name, field)) as file:
        return file.read().strip()


def lab_macs(known):
    """The hardware addresses of the lab's interfaces, by the settings `known` (or None)."""
    return {item["mac"].lower(): item["name"] for item in known["interfaces"]} if known else {}


def name_interfaces(known):
    """Give the lab's interfaces their names, by hardware address; whatever else has such a name yields it."""
    wanted = lab_macs(known)
    present = interfaces()
    moves = [(name, wanted[mac]) for name, mac in present if mac in wanted and wanted[mac] != name]
    taken = {name for _, name in moves}
    moves += [
        (name, "away%d" % number)
        for number, (name, mac) in enumerate(present)
        if mac not in wanted and name in taken
    ]
    lines = ["link set dev %s down" % name for name, _ in moves]
    lines += ["link set dev %s name renaming%d" % (name, number) for number, (name, _) in enumerate(moves)]
    lines += ["link set dev renaming%d name %s" % (number, name) for number, (_, name) in enumerate(moves)]
    if lines:
        ip(lines)


def ip(lines, **more):
    """Run a batch of ip commands; OSError with the tool's words."""
    process = subprocess.Popen(
        ["ip", "-batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    said = process.communicate("".join(line + "\n" for line in lines).encode())[0]
    if process.returncode:
        raise OSError("ip: %s" % said.decode("utf-8", "replace").strip())


def mount_scratch(known):
    """Mount a small file system of its own wherever an ordinary user may write; what is mounted stays."""
    already = _scratch()
    for path in SCRATCH:
        if path in already:
            continue
        try:
            seen = os.stat(path)
            owner, mode = (seen.st_uid, seen.st_gid), seen.st_mode & 0o7777
        except FileNotFoundError:
            os.makedirs(path)
            owner, mode = (0, 0), 0o1777
        if path == "/dev/shm":
            mode = 0o1777
        options = "size=%dm,nr_inodes=4096,mode=%o,uid=%d,gid=%d" % (known["disk_mb"], mode, *owner)
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options)


def _scratch():
    # Ours alone, known by their bound on files: a system's own tmpfs on /tmp has another size.
    with open("/proc/self/mounts") as file:
        rows = [line.split() for line in file]
    return {row[1] for row in rows if row[2] == "tmpfs" and "nr_inodes=4096" in row[3].split(",")}


def no_ipv6():
    """Switch IPv6 off, on every interface that is there and that will be."""
    for name in ("all", "default"):
        write("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "1")


def write(path, text):
    """Write a setting of the kernel's; one that this kernel has not is left alone."""
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        pass


def set_up():
    """Do at boot what the settings ask; nothing on a machine that is not prepared."""
    known = settings()
    if known is None:
        return
    no_ipv6()
    name_interfaces(known)
    mount_scratch(known)


if __name__ == "__main__":
    sys.exit(set_up())
