"""/etc/resolv.conf as the network scripts change it."""

import os

PATH = "/etc/resolv.conf"


def changed(text, servers, domain=None):
    """Return the text of a resolv.conf with ``servers`` (in order) and ``domain`` brought in.

    Servers that are there already in this order stay as they are; a domain goes first in the search list.
    """
    lines = text.splitlines()
    words = [line.split() for line in lines]
    present = [w[1] for w in words if len(w) > 1 and w[0] == "nameserver"]
    known = not servers or any(present[at : at + len(servers)] == servers for at in range(len(present)))
    listed = [name for w in words if w and w[0] in ("search", "domain") for name in w[1:]]
    fresh = [name for name in (domain or "").split() if name not in listed]
    if known and not fresh:
        return text
    kept = [
        line
        for line, w in zip(lines, words)
        if not (w and ((w[0] == "nameserver" and not known) or (w[0] in ("search", "domain") and fresh)))
    ]
    if fresh:
        kept.append("search " + " ".join(fresh + listed))
    if not known:
        kept.extend("nameserver " + server for server in servers)
    return "\n".join(kept) + "\n"


def update(servers, domain=None, path=PATH):
    """Bring ``servers`` and ``domain`` into the file, keeping the first version as ``path``.save."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            before = stream.read(65536)
    except OSError:
        before = ""
    after = changed(before, list(servers), domain)
    if after == before:
        return
    if before and not os.path.exists(path + ".save"):
        write(path + ".save", before)
    write(path, after)


def write(path, text):
    """Write a file of mode 0644 in one step; in place where it cannot be replaced (a mount of its own)."""
    fresh = path + ".labgrader-new"
    with open(fresh, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
        os.fchmod(stream.fileno(), 0o644)
    try:
        os.rename(fresh, path)
    except OSError:
        os.unlink(fresh)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
