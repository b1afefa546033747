"""The units of a lab host: their state under /run/labgrader/units, and what start, stop and reload do."""

import os
import sys
import time

import proc

KNOWN = {
    "network": "LSB: Bring up/down networking",
    "named": "Berkeley Internet Name Domain (DNS)",
    "xinetd": "Xinetd A Powerful Replacement For Inetd",
    "dnsmasq": "DNS caching server.",
    "sshd": "OpenSSH server daemon",
}
RUN = "/run/labgrader/units"
MESSAGES = "/var/log/messages"
_ENABLED = "/etc/systemd/system/multi-user.target.wants"
_SHOWN = 20  # lines of a daemon's own complaints that are passed on


def strip(name):
    """Return a unit's name without ``.service``."""
    return name[:-8] if name.endswith(".service") else name


def printable(text):
    """Return ``text`` with everything but printable ASCII replaced, and cut to 80 characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:80])


def daemon(name):
    """Return the module that starts and stops the daemon of unit ``name``."""
    if name == "named":
        import named_unit as module
    elif name == "xinetd":
        import xinetd_unit as module
    else:
        import dnsmasq_unit as module
    return module


def main_pid(name):
    """Return the pid of the unit's daemon, or None."""
    return None if name in ("network", "sshd") else proc.pid_of(daemon(name).PIDFILE, daemon(name).COMM)


def state(name):
    """Return ``active``, ``inactive`` or ``failed``, as ``systemctl is-active`` prints it."""
    if name == "sshd":
        return "active"
    kept = _read(name)
    if name == "network":
        return kept or "inactive"
    if main_pid(name):
        return "active"
    return "failed" if kept in ("failed", "active") else "inactive"


def _read(name):
    try:
        with open("%s/%s" % (RUN, name)) as stream:
            return stream.read(32).strip()
    except OSError:
        return ""


def _keep(name, text):
    os.makedirs(RUN, 0o755, exist_ok=True)
    with open("%s/%s" % (RUN, name), "w") as stream:
        stream.write(text + "\n")


def enabled(name):
    """Tell whether the unit is enabled; network and sshd are until someone disables them."""
    if os.path.lexists("%s/%s.disabled" % (RUN, name)):
        return False
    return name in ("network", "sshd") or os.path.lexists("%s/%s.service" % (_ENABLED, name))


def set_enabled(name, wanted):
    """Enable or disable the unit."""
    link, mark = "%s/%s.service" % (_ENABLED, name), "%s/%s.disabled" % (RUN, name)
    os.makedirs(_ENABLED, 0o755, exist_ok=True)
    os.makedirs(RUN, 0o755, exist_ok=True)
    for path in (link, mark):
        if os.path.lexists(path):
            os.unlink(path)
    if wanted:
        os.symlink("/usr/lib/systemd/system/%s.service" % name, link)
    else:
        open(mark, "w").close()


def act(action, name):
    """Carry out start, stop, restart, try-restart or reload of a known unit; return the exit status."""
    if action in ("try-restart", "condrestart"):
        return act("restart", name) if state(name) == "active" else 0
    if action in ("reload-or-restart", "force-reload"):
        action = "reload" if name == "named" and state(name) == "active" else "restart"
    if name == "sshd":
        return _sshd(action)
    if name == "network":
        return _network(action)
    if action == "reload":
        return _reload(name)
    if action == "start" and main_pid(name):
        return 0
    if action in ("stop", "restart") and not _stop(name):
        return 1
    return 0 if action == "stop" else _start(name)


def _sshd(action):
    if action == "start":
        return 0
    sys.stderr.write(
        "Failed to %s sshd.service: Operation refused, the lab is managed through it.\n" % action
    )
    return 1


def _network(action):
    import network

    if action == "reload":
        sys.stderr.write(
            "Failed to reload network.service: Job type reload is not applicable for unit network.service.\n"
        )
        return 1
    if action == "start" and state("network") == "active":
        return 0
    if action == "stop":
        network.stop()
        _keep("network", "inactive")
        return 0
    if network.restart() if action == "restart" else network.start():
        _keep("network", "failed")
        _job_failed("network")
        return 1
    _keep("network", "active")
    return 0


def _start(name):
    complaints, warnings = daemon(name).start()
    if complaints:
        _keep(name, "failed")
        _job_failed(name)
        _report(name, complaints)
        return 1
    _keep(name, "active")
    _report(name, warnings)
    return 0


def _stop(name):
    pid = main_pid(name)
    if pid and not proc.end(pid, daemon(name).COMM):
        sys.stderr.write("Failed to stop %s.service: process %d does not end.\n" % (name, pid))
        return False
    if os.path.lexists(daemon(name).PIDFILE):
        os.unlink(daemon(name).PIDFILE)
    _keep(name, "inactive")
    return True


def _reload(name):
    if not hasattr(daemon(name), "reload"):
        sys.stderr.write(
            "Failed to reload %s.service: Job type reload is not applicable for unit"
            " %s.service.\n" % (name, name)
        )
        return 1
    if not main_pid(name):
        sys.stderr.write("Failed to reload %s.service: unit is not active.\n" % name)
        return 1
    complaints, warnings = daemon(name).reload()
    if complaints:
        _job_failed(name)
    _report(name, complaints or warnings)
    return 1 if complaints else 0


def _job_failed(name):
    sys.stderr.write(
        "Job for %s.service failed because the control process exited with error code."
        ' See "systemctl status %s.service" for details.\n' % (name, name)
    )


def _report(name, lines):
    """Show a daemon's own words on stderr and keep them in /var/log/messages."""
    if not lines:
        return
    lines = [printable(line) if len(line) <= 80 else _long(line) for line in lines]
    sys.stderr.write("".join(line + "\n" for line in lines[:_SHOWN]))
    if len(lines) > _SHOWN:
        sys.stderr.write("(%d more lines in %s)\n" % (len(lines) - _SHOWN, MESSAGES))
    log(name, lines[:500])


def _long(line):
    return "".join(c if " " <= c <= "~" else "?" for c in line[:400])


def log(name, lines):
    """Append lines to /var/log/messages in syslog's form."""
    stamp = time.strftime("%b %e %H:%M:%S")
    with open(MESSAGES, "a") as stream:
        stream.write("".join("%s %s %s: %s\n" % (stamp, os.uname().nodename, name, line) for line in lines))


def messages(name):
    """Return the last ten lines of /var/log/messages that are about the unit."""
    try:
        with open(MESSAGES, errors="replace") as stream:
            stream.seek(max(0, os.path.getsize(MESSAGES) - 65536))
            return [_long(line.rstrip("\n")) for line in stream if " %s: " % name in line][-10:]
    except (OSError, ValueError):
        return []
