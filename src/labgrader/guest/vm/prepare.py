"""Makes a virtual machine one of a lab's: ``python3 prepare.py SETTINGS.json``, as root, any number of times.

Settings: {"hostname", "interfaces": [{"mac", "name"}], "disk_mb", "host_key", "authorized_key",
"machine_id"}; the last three may be "": then the machine keeps or makes its own. "forward", false where it
is not given: whether it forwards packets, for a system whose own services decide that. On the project's
own box all of it holds at once; on a machine with another system, from the next start on. Python 3.6
syntax, standard library only.
"""

import json
import os
import pwd
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(os.path.dirname(sys.path[0]), "lib"))

import contract
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.dirname(HERE)
PLACE = "/etc/labgrader"
BOX = PLACE + "/box"
DIGEST = PLACE + "/guest-digest"
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62})\Z")
MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\Z")
INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")


def read_settings(path):
    """The settings of a file; ValueError with a sentence where they cannot be used."""
    with open(path) as file:
        given = json.load(file)
    if not isinstance(given, dict) or not NAME.match(str(given.get("hostname", ""))):
        raise ValueError("%s names no usable hostname." % path)
    names = []
    for item in given.get("interfaces") or []:
        said = [str(item[key]) if isinstance(item, dict) and key in item else "" for key in ("mac", "name")]
        if not MAC.match(said[0]) or not INTERFACE.match(said[1]):
            raise ValueError("%s: an interface has a mac like 02:00:00:00:00:01 and a name like eth0." % path)
        names.append(item["name"])
    if len(set(names)) != len(names):
        raise ValueError("%s gives two interfaces the same name." % path)
    if not isinstance(given.get("disk_mb"), int) or not 1 <= given["disk_mb"] <= 65536:
        raise ValueError("%s: disk_mb is a number of megabytes." % path)
    if not isinstance(given.get("forward", False), bool):
        raise ValueError("%s: forward is true or false." % path)
    for key in ("host_key", "authorized_key", "machine_id"):
        if not isinstance(given.get(key, ""), str):
            raise ValueError("%s: %s is a text, or empty." % (path, key))
    if not re.match(r"([0-9a-f]{32})?\Z", given.get("machine_id", "")):
        raise ValueError("%s: machine_id is 32 hexadecimal digits, or empty." % path)
    return given


def keep(given):
    """Write what the machine must know of itself, and its keys."""
    os.makedirs(PLACE, 0o700, exist_ok=True)
    known = {key: given[key] for key in ("hostname", "interfaces", "disk_mb")}
    contract.write(machine.SETTINGS, json.dumps(known) + "\n", 0o600)
    contract.write("/etc/hostname", given["hostname"] + "\n")
    if given.get("machine_id"):
        contract.write("/etc/machine-id", given["machine_id"] + "\n", 0o444)
    if given.get("host_key"):
        contract.write(PLACE + "/host_key", given["host_key"], 0o600)
    if given.get("authorized_key"):
        key = given["authorized_key"].rstrip("\n") + "\n"
        contract.write(PLACE + "/authorized_keys", key, 0o600)
        _vagrants_key(key)


def _vagrants_key(key):
    """From now on Vagrant's own account takes the lab's key alone, not the one that every box knows."""
    try:
        account = pwd.getpwnam("vagrant")
    except KeyError:
        return
    path = account.pw_dir + "/.ssh/authorized_keys"
    contract.write(path, key, 0o600)
    for place in (os.path.dirname(path), path):
        os.chown(place, account.pw_uid, account.pw_gid)
    os.chmod(os.path.dirname(path), 0o700)


def own_box(given):
    """The project's own box: no package is missing; other files of the contract than its own are laid on."""
    if _laid() != contract.digest(GUEST):
        contract.lay(GUEST)
        install()
    keep(given)
    socket.sethostname(given["hostname"])
    machine.set_up()


def _laid():
    try:
        with open(DIGEST) as file:
            return file.read().strip()
    except OSError:
        return ""


def install():
    """Bring the machine to what the contract promises, and note which version of it that is."""
    status = os.spawnv(
        os.P_WAIT, "/usr/bin/python3", ["/usr/bin/python3", "-I", "/usr/lib/labgrader/install.py"]
    )
    if status:
        raise OSError("install.py ended with status %d" % status)
    contract.write(DIGEST, contract.digest(GUEST) + "\n")


def main(argv):
    """Return the exit status; trouble is told in one sentence on standard error."""
    os.umask(0o022)
    if len(argv) != 2 or os.geteuid():
        sys.stderr.write("Usage, as root: prepare.py SETTINGS.json\n")
        return 2
    try:
        given = read_settings(argv[1])
        if os.path.exists(BOX):
            own_box(given)
        elif os.path.exists("/etc/redhat-release"):
            import prepare_el

            prepare_el.carry_out(given)
        elif os.path.exists("/etc/debian_version"):
            import prepare_debian

            prepare_debian.carry_out(given)
        else:
            raise ValueError("this machine is neither of the Red Hat family nor a Debian.")
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write("prepare: %s\n" % error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
