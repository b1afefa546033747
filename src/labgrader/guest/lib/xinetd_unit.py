"""The xinetd unit."""

import os

import clock
import fence
import proc

PIDFILE = "/run/xinetd.pid"
COMM = "xinetd"
LOG = "/var/log/messages"
DEADLINE = 10.0  # seconds


def environment():
    """Return xinetd's environment: the clock of labgrader-clock for itself, not for its services."""
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C",
        # telnetd asks for the client's name: a dead nameserver must not hold up a login for 20 s
        "RES_OPTIONS": "timeout:1 attempts:1",
    }
    if not clock.is_machine():
        env.update(clock.preload())
    return env


def start():
    """Start xinetd; return (complaints, warnings) as lists of lines, complaints only where it is not up."""
    mark = os.path.getsize(LOG) if os.path.exists(LOG) else 0
    status, out, err = proc.run(
        ["/usr/sbin/xinetd", "-stayalive", "-pidfile", PIDFILE, "-filelog", LOG],
        timeout=DEADLINE,
        env=environment(),
        before=fence.xinetd,
    )
    if status == 0:
        proc.wait_for(lambda: _started(mark) and proc.pid_of(PIDFILE, COMM), DEADLINE)
    complaints = [line for line in _since(mark) if "ERROR" in line or "CRITICAL" in line]
    if proc.pid_of(PIDFILE, COMM) and _started(mark):
        return [], complaints
    said = (err + out).decode("utf-8", "replace").splitlines()
    return complaints + said or ["xinetd did not come up within %d s" % DEADLINE], []


def _since(mark):
    try:
        with open(LOG, "rb") as stream:
            stream.seek(mark)
            return stream.read(1 << 20).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _started(mark):
    return any("Started working" in line for line in _since(mark))
