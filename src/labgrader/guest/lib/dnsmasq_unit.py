"""The dnsmasq unit."""

import proc

PIDFILE = "/run/dnsmasq.pid"
COMM = "dnsmasq"


def start():
    """Start dnsmasq; return (complaints, warnings) as lists of lines, complaints only where it is not up."""
    status, out, err = proc.run(
        ["dnsmasq", "-C", "/etc/dnsmasq.conf", "-x", PIDFILE, "--log-facility=/var/log/messages"],
        timeout=10.0,
    )
    said = (err + out).decode("utf-8", "replace").splitlines()
    if status == 0 and proc.wait_for(lambda: proc.pid_of(PIDFILE, COMM), 5.0):
        return [], said
    return said or ["dnsmasq ended with status %d" % status], []
