"""A machine of the Red Hat family, release 8: most of the guest contract is what its own packages bring.

Network scripts, named, xinetd and systemd are the real ones. Added are the course's users, what keeps root
from telnet, the grader's programs, and the way in; taken away is what would run beside the lab. Runs as
root in the machine; Python 3.6 syntax, standard library only.
"""

import contextlib
import os
import pwd
import re
import runpy

import accounts
import contract
import prepare
import systemd

PACKAGES = (
    "bind bind-utils xinetd telnet-server telnet network-scripts dhcp-client python3 tcpdump iproute iputils "
    "net-tools procps-ng sudo openssh-server passwd util-linux"
)
# dnf wants more memory than a lab's machine has to have, and these boxes have no swap space.
DNF_MB = 1500
SWAP = "/var/labgrader-swap"
SWAP_MB = 1024
STOPPED = (
    "NetworkManager NetworkManager-wait-online NetworkManager-dispatcher firewalld sshd sshd.socket chronyd "
    "ntpd postfix rpcbind rpcbind.socket cloud-init cloud-init-local cloud-config cloud-final "
    "dnf-makecache.timer unbound-anchor.timer vboxadd vboxadd-service telnet.socket kdump tuned"
)
LAID = ("etc/securetty", "etc/xinetd.d/telnet", "etc/sysconfig/network", "usr/sbin/labgrader-clock")
SECURETTY = "auth       [user_unknown=ignore success=ok ignore=ignore default=bad] pam_securetty.so\n"
NETWORK = "/etc/sysconfig/network"
# Asking whether another machine has an address takes seconds for each, and one of ours has twenty. The
# contract asks nobody; an ifcfg file that says otherwise is obeyed.
NO_QUESTIONS = "for number in '' {0..255}; do eval \"ARPCHECK$number=no\"; done; unset number\n"
SYSCTL = "net.ipv6.conf.all.disable_ipv6 = 1\nnet.ipv6.conf.default.disable_ipv6 = 1\n"
# The service network switches forwarding off when it stops, and does what stands here when it starts.
FORWARD = "net.ipv4.ip_forward = 1\n"
# Checks start a service anew as often as they like: systemd would refuse the sixth time within ten seconds.
NO_START_LIMIT = "[Manager]\nDefaultStartLimitIntervalSec=0\n"


def carry_out(given):
    """Install and settle everything; what concerns the network holds from the next start on."""
    install(PACKAGES.split())
    contract.lay(prepare.GUEST, lambda name: name in LAID or name.startswith("usr/lib/labgrader/"))
    _edit(NETWORK, without_questions)
    _edit("/etc/selinux/config", permissive)
    systemd.run(["setenforce", "0"], check=False)  # where it is off already, there is nothing to set
    _accounts()
    for path in ("/etc/pam.d/login", "/etc/pam.d/remote"):
        _edit(path, with_securetty)
    contract.write("/etc/sysctl.d/90-labgrader.conf", SYSCTL + (FORWARD if given.get("forward") else ""))
    contract.write("/etc/systemd/system.conf.d/90-labgrader.conf", NO_START_LIMIT)
    contract.write("/etc/motd", "")
    os.makedirs("/var/git", 0o755, exist_ok=True)
    for name, text in systemd.UNITS.items():
        contract.write("/etc/systemd/system/" + name, text)
    prepare.keep(given)
    scripts = "/etc/sysconfig/network-scripts/"
    systemd.remove(*(scripts + n for n in os.listdir(scripts) if n.startswith("ifcfg-") and n != "ifcfg-lo"))
    contract.write("/etc/resolv.conf", "")
    systemd.run(["systemctl", "daemon-reload"])
    systemd.run(["systemctl", "disable", "named", "xinetd"], check=False)
    # A running one stays until the next start: the connection that prepares the machine comes through it.
    systemd.run(["systemctl", "mask", *STOPPED.split()], check=False)
    systemd.run(["systemctl", "enable", *systemd.UNITS])
    systemd.run(["systemctl", "enable", "network"])
    contract.write(prepare.DIGEST, contract.digest(prepare.GUEST) + "\n")


def install(packages, swap=SWAP, meminfo="/proc/meminfo"):
    """Install what is missing: a prepared machine has no way to its archive any more, and needs none."""
    if systemd.run(["rpm", "-q", "--quiet", "--whatprovides", *packages], check=False) == 0:
        return
    with open(meminfo) as file:
        short = memory_mb(file.read()) < DNF_MB
    with contextlib.ExitStack() as during:
        if short:
            during.enter_context(_swap(swap))
        systemd.run(["dnf", "-y", "-q", "install", *packages], systemd.INSTALL_S)


def memory_mb(text):
    """The memory and swap space that /proc/meminfo tells of, in MB."""
    return sum(int(number) for number in re.findall(r"^(?:MemTotal|SwapTotal):\s+(\d+) kB", text, re.M)) >> 10


@contextlib.contextmanager
def _swap(path):
    try:
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            os.posix_fallocate(file.fileno(), 0, SWAP_MB << 20)
        systemd.run(["mkswap", path], check=False)
        systemd.run(["swapon", path], check=False)
        yield
    finally:
        systemd.run(["swapoff", path], systemd.INSTALL_S, check=False)
        os.unlink(path)


def _accounts():
    known = runpy.run_path(os.path.join(prepare.GUEST, "install.py"))
    systemd.run(["usermod", "-p", known["ROOT_HASH"], "root"])
    accounts.free(accounts.numbers(known["ACCOUNTS"]))
    for name, number, home, shell, field in known["ACCOUNTS"]:
        if shell != "/bin/bash":
            continue
        try:
            pwd.getpwnam(name)
        except KeyError:
            systemd.run(["useradd", "-m", "-U", "-d", home, "-s", shell, "-u", str(number), name])
        systemd.run(["usermod", "-p", field, name])
        os.chmod(home, 0o750 if name == "student" else 0o700)


def _edit(path, change):
    if not os.path.exists(path):
        return
    with open(path) as file:
        before = file.read()
    if change(before) != before:
        contract.write(path, change(before), os.stat(path).st_mode & 0o777)


def with_securetty(text):
    """A PAM file that refuses root outside of /etc/securetty, which release 8 no longer does by itself."""
    if re.search(r"^auth\s.*pam_securetty", text, re.M):
        return text
    lines = text.splitlines(True)
    at = next((n for n, line in enumerate(lines) if line.startswith("auth")), len(lines))
    return "".join([*lines[:at], SECURETTY, *lines[at:]])


def without_questions(text):
    """/etc/sysconfig/network, told that nobody is asked whether he has an address already."""
    return text if NO_QUESTIONS in text else text + NO_QUESTIONS


def permissive(text):
    """The SELinux settings, told to warn and not to refuse: our programs have no policy."""
    if re.search(r"^SELINUX=disabled", text, re.M):
        return text
    changed, count = re.subn(r"^SELINUX=.*$", "SELINUX=permissive", text, flags=re.M)
    return changed if count else text + "SELINUX=permissive\n"
