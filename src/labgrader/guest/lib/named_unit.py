"""The named unit: BIND run as RHEL runs it, on a copy of named.conf that this BIND can read."""

import os

import fence
import namedcopy
import proc

CONF = "/etc/named.conf"
REAL = "/usr/libexec/labgrader/named"
PIDFILE = "/run/labgrader/named.pid"  # ours: the student's pid-file may be anywhere
COMM = "named"
LOG = "/run/labgrader/named.log"
DROPPED = "/run/labgrader/named-dropped.json"
DEADLINE = 10.0  # seconds
_UID = 25


def start():
    """Start named; return (complaints, warnings) as lists of lines, complaints only where it is not up."""
    try:
        argv, notes = ready(CONF)
    except namedcopy.ConfigError as error:
        return [str(error)], []
    _fresh_log()
    # named's parent process ends when the configuration is loaded and the sockets are open, or with a failure
    # Where a named.conf without `directory` has its files: named must be able to write there.
    os.chdir("/var/named")
    status, _out, err = proc.run([REAL, *argv, "-L", LOG], timeout=DEADLINE, before=fence.named)
    if status == 0:
        pid = proc.wait_for(lambda: _find(argv), 2.0)
        if pid:
            with open(PIDFILE, "w") as stream:
                stream.write("%d\n" % pid)
            return [], notes
    leftover = _find(argv)
    if leftover:
        proc.end(leftover, COMM)
    said = complaints(_log() + err.decode("utf-8", "replace"))
    if status == 124:
        said.append("named did not come up within %d s." % DEADLINE)
    return said or ["named ended with status %d." % status], []


def ready(conf):
    """Make folders and the running copy of ``conf``; return (named's arguments, lines on what it drops)."""
    for path, owner, mode in (("/run/named", _UID, 0o755), ("/run/labgrader", 0, 0o755)):
        os.makedirs(path, 0o755, exist_ok=True)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
    key()
    target, dropped, v6 = namedcopy.prepare(conf)
    record(dropped)
    # BIND 9.9 listened on IPv6 only where listen-on-v6 said so; without -4 this one does by itself
    return ["-u", "named"] + ([] if v6 else ["-4"]) + ["-c", target], notes_of(dropped)


def notes_of(dropped):
    """Return a sentence for each removed option that was left out."""
    return [
        "%s:%d: option '%s' is no longer known to this BIND and was left out of the running copy." % entry
        for entry in dropped
    ]


def record(dropped):
    """Write what was left out to DROPPED as a JSON list of {"file", "line", "option"}."""
    import json

    with open(DROPPED + ".new", "w") as stream:
        json.dump([{"file": f, "line": n, "option": o} for f, n, o in dropped], stream)
        stream.write("\n")
    os.rename(DROPPED + ".new", DROPPED)


def key(path="/etc/rndc.key"):
    """Make rndc's key at the first start, as RHEL does."""
    if os.path.lexists(path):
        return
    from base64 import b64encode

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(fd, "w") as stream:
        stream.write(
            'key "rndc-key" {\n\talgorithm hmac-sha256;\n\tsecret "%s";\n};\n'
            % b64encode(os.urandom(32)).decode()
        )
        os.fchown(fd, 0, _UID)


def _find(argv):
    """Return the pid of the named that runs with ``argv``, or None."""
    wanted = [a.encode() for a in argv]
    for name in os.listdir("/proc"):
        if not name.isdigit() or proc.comm(int(name)) != COMM:
            continue
        try:
            with open("/proc/%s/cmdline" % name, "rb") as stream:
                if stream.read(4096).split(b"\0")[1 : 1 + len(wanted)] == wanted:
                    return int(name)
        except OSError:
            continue
    return None


def _fresh_log():
    if os.path.lexists(LOG):
        os.unlink(LOG)
    fd = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    os.fchown(fd, _UID, _UID)  # named opens it when it is no longer root
    os.close(fd)


def _log():
    try:
        with open(LOG, "rb") as stream:
            return stream.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""


def complaints(text):
    """Return what named's log says is wrong, without its dates and with the student's own paths."""
    found = []
    for line in student_paths(text).splitlines():
        # 23-Nov-2026 19:30:01.123 config: error: /etc/named.conf:14: unknown option 'forwarder'
        parts = line.split(" ", 4)
        if len(parts) == 5 and parts[3] in ("error:", "critical:"):
            rest = parts[4]
        elif line.startswith("named: "):  # said on stderr, before there was a log
            rest = line[7:]
        else:
            continue
        if rest not in found and not rest.startswith("exiting"):
            found.append(rest)
    # a removed option is only still there where an earlier mistake hid it: that mistake is the one to tell
    return [line for at, line in enumerate(found) if not at or not line.endswith("no longer exists")]


def student_paths(text):
    """Return what named said with the paths of the running copy turned into the student's."""
    return text.replace(namedcopy.RUNNING + "/", "/")


def reload():
    """Make the running copy anew and have named read it; return (complaints, warnings)."""
    try:
        _, notes = ready(CONF)
    except namedcopy.ConfigError as error:
        return [str(error)], []
    size = len(_log())
    status, out, err = proc.run(["rndc", "reload"], timeout=DEADLINE)
    if status == 0:
        return [], notes
    said = complaints(_log()[size:])
    return said + student_paths((err + out).decode("utf-8", "replace")).splitlines(), []
