"""Turns an image of Debian packages into a lab host's root file system.

Run once, as root inside the image (``chroot``, cwd /), after ``rootfs`` has been copied over it and
``lib`` to /usr/lib/labgrader; with the word ``namespace-host`` where no machine of its own will run it.
Running it again changes nothing.
"""

import compileall
import glob
import os
import shutil

NAMED, LISI, STUDENT = 25, 1000, 1001
REAL = "/usr/libexec/labgrader"

# SHA-512 crypt of the course's passwords, "1" for lisi and "redhat" for root: known to everyone, no secret,
# and with a fixed salt, so that the same packages give the same image.
LISI_HASH = (
    "$6$lisi.salt$Mi.Jx912TGL7vZBHV7HMdRUU/ym1eFuJ2zwTomCjSVhqq4pLLRuaVjLAXlH6slK0ErDOdZXQvCo3TivbXxkmV1"
)
ROOT_HASH = (
    "$6$root.salt$rhsfUmLjSoOQvEdPL5KGmZbp2hAJiOgjj9j3spG/sLKxERml/JpOkOgCjD.prHghvRUBIAruZv.jIEYiod6at/"
)

ACCOUNTS = (  # name, uid = gid, home, shell, shadow field
    ("named", NAMED, "/var/named", "/usr/sbin/nologin", "*"),
    ("lisi", LISI, "/home/lisi", "/bin/bash", LISI_HASH),
    ("student", STUDENT, "/home/student", "/bin/bash", "*"),
)

LINKS = {
    "/usr/sbin/in.telnetd": "telnetd",
    "/etc/bind/named.conf": "/etc/named.conf",  # the default of Debian's named and named-checkconf
    "/etc/bind/rndc.key": "/etc/rndc.key",
    "/etc/sysconfig/network-scripts/ifup": "../../../usr/sbin/ifup",
    "/etc/sysconfig/network-scripts/ifdown": "../../../usr/sbin/ifdown",
}

UNWANTED = (
    "/etc/ssh/ssh_host_*",
    "/etc/bind",
    "/var/cache/bind",
    "/etc/default/named",
    "/etc/init.d",
    "/etc/rc?.d",
    "/etc/cron.*",
    "/etc/logrotate.d",
    "/etc/update-motd.d",
    "/etc/motd",
    "/etc/resolv.conf.save",
    "/etc/dhcp/dhclient-*-hooks.d",
    "/etc/network",
    "/etc/ppp",
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/var/cache/apt/*",
    "/var/lib/apt/lists/*",
    "/var/cache/debconf/*-old",
    "/var/log/apt",
    "/var/log/*.log",
    "/var/log/lastlog",
    "/var/log/faillog",
    "/etc/sv",
    "/etc/runit",
)
XINETD_SERVICES = ("telnet",)


def main():
    """Bring the image to what the guest contract promises."""
    _accounts()
    for pattern in UNWANTED:
        for path in glob.glob(pattern):
            _remove(path)
    for name in os.listdir("/etc/xinetd.d"):
        if name not in XINETD_SERVICES:
            _remove("/etc/xinetd.d/" + name)
    _wrap("named")
    _wrap("named-checkconf")
    _wrap("rndc")
    for path, target in LINKS.items():
        _link(path, target)
    _named_files()
    _directories()
    for path in ("/etc/shadow", "/etc/gshadow"):
        os.chown(path, 0, 42)
        os.chmod(path, 0o640)
    compileall.compile_dir("/usr/lib/labgrader", quiet=1)


def _remove(path):
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
    else:
        shutil.rmtree(path)


def _link(path, target):
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    if os.path.lexists(path):
        if os.path.islink(path) and os.readlink(path) == target:
            return
        _remove(path)
    os.symlink(target, path)


def _wrap(name):
    """Move a program of Debian's BIND aside; put our wrapper (named_cli.py) where people look for it."""
    os.makedirs(REAL, 0o755, exist_ok=True)
    for folder in ("/usr/sbin/", "/usr/bin/"):
        if os.path.exists(folder + name) and not os.path.islink(folder + name):
            shutil.move(folder + name, REAL + "/" + name)
    _link("/usr/sbin/" + name, "/usr/lib/labgrader/named-wrapper")


def _accounts():
    _rewrite("/etc/passwd", {n: "%s:x:%d:%d::%s:%s" % (n, i, i, h, s) for n, i, h, s, _ in ACCOUNTS})
    _rewrite(
        "/etc/group",
        {n: "%s:x:%d:" % (n, i) for n, i, _, _, _ in ACCOUNTS},
        {i for _, i, _, _, _ in ACCOUNTS},
    )
    _rewrite("/etc/gshadow", {n: "%s:!::" % n for n, _, _, _, _ in ACCOUNTS})
    shadow = {n: "%s:%s:17896:0:99999:7:::" % (n, f) for n, _, _, _, f in ACCOUNTS}
    shadow["root"] = "root:%s:17896:0:99999:7:::" % ROOT_HASH
    _rewrite("/etc/shadow", shadow)
    for name, number, home, shell, _ in ACCOUNTS:
        if shell == "/bin/bash":
            os.makedirs(home, exist_ok=True)
            os.chown(home, number, number)
            os.chmod(home, 0o750 if name == "student" else 0o700)


def _rewrite(path, lines, numbers=()):
    """Put ``lines`` (name to line) into an account file for what it says of these names and group numbers."""
    with open(path) as stream:
        old = stream.read().splitlines()
    kept = [
        line
        for line in old
        if line.split(":")[0] not in lines and not (numbers and int(line.split(":")[2]) in numbers)
    ]
    with open(path, "w") as stream:
        stream.write("".join(line + "\n" for line in kept + list(lines.values())))


def _named_files():
    with open("/usr/share/dns/root.hints") as stream:
        hints = "".join(line for line in stream if not line.startswith(";"))
    _write("/var/named/named.ca", hints)
    keys = []
    with open("/usr/share/dns/root.key") as stream:
        for line in stream:
            fields = line.split(";")[0].split()
            if "DNSKEY" in fields:
                at = fields.index("DNSKEY") + 1
                keys.append(
                    '\t. initial-key %s %s %s\n\t\t"%s";\n'
                    % (fields[at], fields[at + 1], fields[at + 2], "".join(fields[at + 3 :]))
                )
    _write(
        "/etc/named.root.key",
        "// The root zone's key-signing keys, from which others are trusted.\n"
        "trust-anchors {\n%s};\n" % "".join(keys),
    )
    for name, mode in (("data", 0o770), ("dynamic", 0o770), ("slaves", 0o770)):
        os.makedirs("/var/named/" + name, exist_ok=True)
        os.chown("/var/named/" + name, NAMED, NAMED)
        os.chmod("/var/named/" + name, mode)
    os.chown("/var/named", 0, NAMED)
    os.chmod("/var/named", 0o1770)
    for path in [
        *glob.glob("/var/named/named.*"),
        "/etc/named.conf",
        "/etc/named.rfc1912.zones",
        "/etc/named.root.key",
    ]:
        os.chown(path, 0, NAMED)
        os.chmod(path, 0o644 if path.endswith(".key") else 0o640)
    os.makedirs("/etc/named", exist_ok=True)
    os.chown("/etc/named", 0, NAMED)
    os.chmod("/etc/named", 0o750)


def _directories():
    for path, mode in (
        ("/var/lib/dhclient", 0o755),
        ("/run/labgrader/units", 0o755),
        ("/etc/dnsmasq.d", 0o755),
        ("/etc/systemd/system/multi-user.target.wants", 0o755),
        ("/run/sshd", 0o755),
        ("/var/git", 0o755),
        ("/etc/bind", 0o755),
    ):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
    _write("/var/log/messages", "")
    os.chmod("/var/log/messages", 0o644)
    for path in ("/etc/motd", "/etc/hushlogins"):
        _write(path, "")


def _write(path, text):
    with open(path, "w") as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
