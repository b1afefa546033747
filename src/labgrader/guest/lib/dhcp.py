"""Starts and ends ISC dhclient for one interface."""

import os

import proc

CONF = "/etc/dhcp/dhclient.conf"
SCRIPT = "/usr/lib/labgrader/dhclient-script"
DEADLINE = 20.0  # seconds: dhclient gives up by itself after the 8 of CONF
LINK_WAIT = 5.0  # seconds, initscripts' own wait for a carrier


def _pidfile(device):
    return "/run/dhclient-%s.pid" % device


def start(device, persistent, peerdns):
    """Get a lease for ``device``; return None, or a sentence saying why there is none.

    persistent: without a first answer, dhclient stays in the background and goes on asking;
    peerdns: whether the DHCP server's nameservers go into /etc/resolv.conf.
    """
    if not persistent and not proc.wait_for(lambda: _carrier(device), LINK_WAIT):
        return "no link present.  Check cable?"
    if not os.path.isdir("/var/lib/dhclient"):
        os.makedirs("/var/lib/dhclient", 0o755)
    own = "/etc/dhcp/dhclient-%s.conf" % device
    argv = (
        ["dhclient"]
        + ([] if persistent else ["-1"])
        + [
            "-4",
            "-q",
            "-cf",
            own if os.path.exists(own) else CONF,
            "-sf",
            SCRIPT,
            "-lf",
            "/var/lib/dhclient/dhclient--%s.lease" % device,
            "-pf",
            _pidfile(device),
            "-e",
            "PEERDNS=" + ("yes" if peerdns else "no"),
            device,
        ]
    )
    status, out, err = proc.run(argv, timeout=DEADLINE)
    if status == 0:
        return None
    stop(device)
    said = (err or out).decode("utf-8", "replace").strip().splitlines()
    if status == 2 or status == 124 or not said:
        return "no DHCP server answered within 8 s."
    return said[-1]


def _carrier(device):
    try:
        with open("/sys/class/net/%s/carrier" % device) as stream:
            return stream.read().strip() == "1"
    except OSError:  # unreadable while the link is administratively down
        return not os.path.isdir("/sys/class/net/%s" % device)


def stop(device):
    """Release the lease of ``device`` and end its dhclient, if there is one."""
    pid = proc.pid_of(_pidfile(device), "dhclient")
    if pid is None:
        return
    proc.run(
        [
            "dhclient",
            "-4",
            "-r",
            "-q",
            "-cf",
            CONF,
            "-sf",
            SCRIPT,
            "-lf",
            "/var/lib/dhclient/dhclient--%s.lease" % device,
            "-pf",
            _pidfile(device),
            device,
        ],
        timeout=5.0,
    )
    if proc.comm(pid) == "dhclient":
        proc.end(pid, "dhclient")
    if os.path.exists(_pidfile(device)):
        os.unlink(_pidfile(device))
