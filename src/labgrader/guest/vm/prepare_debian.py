"""A Debian machine that came with systemd, such as a catalogue's box: becomes what the project's own box is.

The contract's programs take the place of systemd's, and vm_init.py is the first process from the next
start on. Runs as root in the machine; standard library only.
"""

import os
import runpy
import shutil

import accounts
import contract
import prepare
import systemd

INIT = """\
#!/bin/sh
exec /usr/bin/python3 -IS /usr/lib/labgrader/vm_init.py
"""
COMMANDS = ("shutdown", "poweroff", "halt", "reboot")


def carry_out(given):
    """Install the packages, lay the contract on, and leave the machine ready for its next start."""
    packages = runpy.run_path(os.path.join(prepare.GUEST, "packages.py"))["PACKAGES"]
    systemd.run(["apt-get", "-qq", "update"], systemd.INSTALL_S)
    systemd.run(
        ["apt-get", "-y", "-qq", "install", "--no-install-recommends", "kmod", *packages],
        systemd.INSTALL_S,
    )
    contract.lay(prepare.GUEST)
    # Its own links stay until this moment: from here on the machine is prepared, or is prepared again.
    for name in COMMANDS:
        _program("/usr/sbin/" + name, os.path.join(prepare.HERE, "shutdown.sh"))
    known = runpy.run_path(os.path.join(prepare.GUEST, "install.py"))
    accounts.free(accounts.numbers(known["ACCOUNTS"]))
    prepare.install()
    prepare.keep(given)
    contract.write("/etc/fstab", "# The first process mounts what a lab's machine needs.\n")
    _init()
    contract.write(prepare.BOX, "debian\n")


def _program(path, source):
    fresh = path + ".labgrader-new"
    shutil.copyfile(source, fresh)
    os.chmod(fresh, 0o755)
    os.rename(fresh, path)


def _init():
    fresh = "/usr/sbin/init.labgrader-new"
    with open(fresh, "w") as file:
        file.write(INIT)
    os.chmod(fresh, 0o755)
    os.rename(fresh, "/usr/sbin/init")
