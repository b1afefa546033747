"""Makes the copy of named.conf and its includes that named really reads, below /run/named/running.

The copy of /etc/named.conf is /run/named/running/etc/named.conf and so on, so that cutting RUNNING off what
named says gives the student's own path; lines are the same. Only regular files of moderate size from the
places where name server configuration lives are read: named starts as root, and its parser quotes what it
does not understand.
"""

import os
import stat

import namedconf

RUNNING = "/run/named/running"
ROOTS = ("/etc/named", "/var/named/", "/etc/rndc.", "/etc/bind/", "/usr/share/dns/", "/etc/crypto-policies/")
LIMIT = 1 << 20  # bytes of one file
DEPTH, FILES = 10, 100  # includes within includes; files in all


class ConfigError(Exception):
    """The configuration cannot be copied; ``str()`` is one line of complaint, with file and line."""


class _Copy:
    def __init__(self):
        self.directory = "/"
        self.dropped = []
        self.v6 = False
        self.files = 0


def allowed(path):
    """Tell whether ``path``, absolute and with links resolved, may be read as name server configuration."""
    return path == "/etc/named" or path.startswith(ROOTS)


def read(path, where):
    """Return the text of ``path`` byte for byte (latin-1), None if there is none; raises ConfigError."""
    real = os.path.realpath(path)
    if not allowed(real):
        raise ConfigError(
            "%s: %s is refused: it is not below /etc/named, /var/named or another place of the name"
            " server's configuration." % (where, _shown(path))
        )
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("%s: open: %s: %s" % (where, _shown(path), error.strerror))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ConfigError("%s: %s is not a regular file." % (where, _shown(path)))
        if os.fstat(fd).st_size > LIMIT:
            raise ConfigError("%s: %s is larger than %d bytes." % (where, _shown(path), LIMIT))
        with os.fdopen(os.dup(fd), "rb") as stream:
            return stream.read(LIMIT).decode("latin-1")
    finally:
        os.close(fd)


def _shown(path):
    return "'" + "".join(c if " " <= c <= "~" else "?" for c in path[:120]) + "'"


def prepare(path, running=RUNNING):
    """Copy ``path`` and what it includes; return ``(path of the copy, dropped, uses listen-on-v6)``.

    dropped: list of (file, line, option). Raises ConfigError; a missing file is named's own to complain of.
    """
    copy = _Copy()
    _clear(running)
    target = _file(copy, os.path.abspath(path), "top", running, [], "named")
    return target, copy.dropped, copy.v6


def _clear(running):
    if not os.path.isdir(running):
        return
    for folder, folders, files in os.walk(running, topdown=False):
        for name in files:
            os.unlink(os.path.join(folder, name))
        for name in folders:
            os.rmdir(os.path.join(folder, name))


def _file(copy, path, context, running, stack, where):
    target = running + os.path.abspath(path)
    text = read(path, where)
    if text is None:
        if stack:
            raise ConfigError("%s: open: %s: file not found" % (where, _shown(path)))
        return target
    real = os.path.realpath(path)
    if real in stack:
        raise ConfigError("%s: include loop: %s is being read already." % (where, _shown(path)))
    copy.files += 1
    if len(stack) >= DEPTH or copy.files > FILES:
        raise ConfigError(
            "%s: more than %d files within one another or %d in all are included." % (where, DEPTH, FILES)
        )
    found = namedconf.find(text, context)
    for line, sentence in found.malformed:
        raise ConfigError("%s:%d: %s" % (path, line, sentence))
    for line, name in found.bindkeys:
        read(os.path.join(copy.directory, name), "%s:%d" % (path, line))
    copy.v6 = copy.v6 or bool(found.v6)
    spans = [(start, end) for _, _, start, end in found.removed]
    copy.dropped.extend((path, line, option) for line, option, _, _ in found.removed)
    changes = [(start, end, None) for start, end in spans]
    directories = list(found.directories)
    for include in found.includes:
        if any(start <= include.start < end for start, end in spans):
            continue
        while directories and directories[0][0] <= include.line:
            copy.directory = os.path.join(copy.directory, directories.pop(0)[1])
        inner = os.path.join(copy.directory, include.path)
        at = "%s:%d" % (path, include.line)
        if "\0" in inner:
            raise ConfigError("%s: the name of the included file holds a NUL." % at)
        changes.append(
            (include.start, include.end, _file(copy, inner, include.context, running, [*stack, real], at))
        )
    for _, directory in directories:
        copy.directory = os.path.join(copy.directory, directory)
    _write(target, _edited(text, changes))
    return target


def _edited(text, changes):
    for start, end, replacement in sorted(changes, reverse=True):
        if replacement is None:
            middle = namedconf.blank(text[start:end], [(0, end - start)])
        else:
            quoted = replacement.replace("\\", "\\\\").replace('"', '\\"')
            middle = '"' + quoted + '"' + "\n" * text.count("\n", start, end)
        text = text[:start] + middle + text[end:]
    return text


def _write(path, text):
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(text.encode("latin-1"))
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, 25)
