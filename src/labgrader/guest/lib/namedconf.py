"""Reads named.conf well enough to take out the options that BIND has removed, and to find its includes.

Source of the table below: the grammar in BIND's own lib/isccfg/namedconf.c, where a removed option carries
the flag CFG_CLAUSEFLAG_ANCIENT ("option '...' no longer exists", and named does not start). The version is
the first stable release in which the option carries it. Options that are merely obsolete only make named
warn, so they stay.
"""

from collections import namedtuple

_OPTIONS = {  # option: (first stable release that refuses it, the values it took)
    "deallocate-on-exit": ("9.14", "boolean"),
    "fake-iquery": ("9.14", "boolean"),
    "has-old-clients": ("9.14", "boolean"),
    "host-statistics": ("9.14", "boolean"),
    "host-statistics-max": ("9.14", "one"),
    "multiple-cnames": ("9.14", "boolean"),
    "named-xfer": ("9.14", "one"),
    "serial-queries": ("9.14", "one"),
    "statistics-interval": ("9.14", "one"),
    "treat-cr-as-space": ("9.14", "boolean"),
    "use-id-pool": ("9.14", "boolean"),
    "geoip-use-ecs": ("9.18", "boolean"),
    "sit-secret": ("9.18", "one"),
    "use-ixfr": ("9.18", "boolean"),
}
_VIEW = {
    "fetch-glue": ("9.14", "boolean"),
    "min-roots": ("9.14", "one"),
    "rfc2308-type1": ("9.14", "boolean"),
    "topology": ("9.14", "block"),
    "acache-cleaning-interval": ("9.18", "one"),
    "acache-enable": ("9.18", "boolean"),
    "additional-from-auth": ("9.18", "boolean"),
    "additional-from-cache": ("9.18", "boolean"),
    "allow-v6-synthesis": ("9.18", "block"),
    "cache-file": ("9.18", "one"),
    "cleaning-interval": ("9.18", "one"),
    "dnssec-enable": ("9.18", "boolean"),
    "dnssec-lookaside": ("9.18", "lookaside"),
    "filter-aaaa": ("9.18", "block"),
    "filter-aaaa-on-v4": ("9.18", "one"),
    "filter-aaaa-on-v6": ("9.18", "one"),
    "max-acache-size": ("9.18", "one"),
    "nosit-udp-size": ("9.18", "one"),
    "queryport-pool-ports": ("9.18", "one"),
    "queryport-pool-updateinterval": ("9.18", "one"),
    "request-sit": ("9.18", "boolean"),
    "use-queryport-pool": ("9.18", "boolean"),
}
_ZONE_COMMON = {"maintain-ixfr-base": ("9.14", "boolean"), "max-ixfr-log-size": ("9.14", "one")}
_ZONE = {"ixfr-base": ("9.14", "one"), "ixfr-tmp-file": ("9.14", "one"), "pubkey": ("9.14", "four")}
_SERVER = {"request-sit": ("9.18", "boolean"), "support-ixfr": ("9.18", "boolean")}

REMOVED = {  # where: {option: (release, values)}
    "top": {"lwres": ("9.18", "block")},
    "options": dict(_OPTIONS, **dict(_VIEW, **_ZONE_COMMON)),
    "view": dict(_VIEW, **_ZONE_COMMON),
    "zone": dict(_ZONE, **_ZONE_COMMON),
    "server": _SERVER,
}
_BLOCKS = {"top": ("options", "view", "zone", "server"), "view": ("zone", "server")}
_BOOLEANS = ("yes", "no", "true", "false", "1", "0")

# kind: "word", "string" or the character itself of { } ; ! ; start, end: offsets; line: 1-based
Token = namedtuple("Token", "kind text start end line")
# path: as written; start, end: of the quoted path; context: as in REMOVED, or "other"
Include = namedtuple("Include", "path start end line context")
# what a walk over the statements finds. removed: (line, option, start, end); malformed: (line, sentence);
# includes: Include; directories, bindkeys: (line, path); v6: the lines of listen-on-v6 in options
Found = namedtuple("Found", "removed malformed includes directories bindkeys v6")


def tokens(text):
    """Return the tokens of named.conf text as a list; never raises, an unclosed string or comment ends it."""
    found = []
    pos, line, size = 0, 1, len(text)
    while pos < size:
        char = text[pos]
        start = pos
        if char == "\n":
            line += 1
            pos += 1
        elif char.isspace() or char == "\0":
            pos += 1
        elif char == "#" or text.startswith("//", pos):
            end = text.find("\n", pos)
            pos = size if end < 0 else end
        elif text.startswith("/*", pos):
            end = text.find("*/", pos + 2)
            pos = size if end < 0 else end + 2
            line += text.count("\n", start, pos)
        elif char == '"':
            pos += 1
            while pos < size and text[pos] != '"':
                pos += 2 if text[pos] == "\\" else 1
            pos = min(pos + 1, size)
            found.append(Token("string", _unescaped(text[start + 1 : pos - 1]), start, pos, line))
            line += text.count("\n", start, pos)
        elif char in "{};!":
            pos += 1
            found.append(Token(char, char, start, pos, line))
        else:
            while pos < size and not _ends_word(text, pos):
                pos += 1
            found.append(Token("word", text[start:pos], start, pos, line))
    return found


def _ends_word(text, pos):
    char = text[pos]
    return char in '{};!"#\0' or char.isspace() or (char == "/" and text[pos + 1 : pos + 2] in ("/", "*"))


def _unescaped(text):
    if "\\" not in text:
        return text
    out = []
    pos = 0
    while pos < len(text):
        pos += text[pos] == "\\"
        out.append(text[pos : pos + 1])
        pos += 1
    return "".join(out)


def find(text, context="top"):
    """Walk the statements of ``text``, which stands in ``context``; return what was Found. Never raises."""
    found = Found([], [], [], [], [], [])
    # per open brace: what it belongs to, and the tokens of the statement so far
    frames: "list[tuple[str, list[Token]]]" = [(context, [])]
    for token in tokens(text):
        where, run = frames[-1]
        if token.kind == "}":
            if len(frames) > 1:
                frames.pop()
                frames[-1][1].append(token)
            else:
                run.clear()
            continue
        run.append(token)
        if token.kind == "{":
            name = run[0].text.lower() if run[0].kind == "word" else ""
            frames.append((name if name in _BLOCKS.get(where, ()) else "other", []))
        elif token.kind == ";":
            _statement(run, where, found)
            run.clear()
    return found


def _statement(run, where, found):
    first = run[0]
    if first.kind != "word":
        return
    name = first.text.lower()
    known = REMOVED.get(where, {}).get(name)
    if known:
        trouble = _shape(run, known[1])
        if trouble:
            found.malformed.append((trouble[0], trouble[1]))
        else:
            found.removed.append((first.line, name, first.start, run[-1].end))
    elif len(run) == 3 and run[1].kind == "string":
        if name == "include":
            found.includes.append(Include(run[1].text, run[1].start, run[1].end, first.line, where))
        elif name == "directory" and where == "options":
            found.directories.append((first.line, run[1].text))
        elif name == "bindkeys-file" and where == "options":
            found.bindkeys.append((first.line, run[1].text))
    if name == "listen-on-v6" and where == "options":
        found.v6.append(first.line)


def _shape(run, values):
    """Return (line, sentence) where a removed option is not written as its BIND wanted it, or None."""
    kinds = [t.kind for t in run[1:-1]]
    name = run[0].text
    if values == "block":
        if kinds == ["{", "}"]:
            return None
        return run[0].line, "expected a block in braces after '%s'" % name
    counts = {"four": (4,), "lookaside": (1, 3)}.get(values, (1,))
    if not kinds:
        return run[0].line, "'%s' has no value" % name
    extra = next(
        (t for t in run[1 + counts[-1] : -1] if t.line > run[0].line or len(kinds) > counts[-1]), None
    )
    if extra is not None and (len(kinds) not in counts):
        return extra.line, "missing ';' before '%s'" % extra.text
    odd = next((t for t in run[1:-1] if t.kind not in ("word", "string")), None)
    if odd is not None or len(kinds) not in counts:
        token = odd or run[-1]
        return token.line, "'%s' is not followed by its value: unexpected token near '%s'" % (
            name,
            token.text,
        )
    if values == "boolean" and run[1].text.lower() not in _BOOLEANS:
        return run[1].line, "boolean expected near '%s'" % run[1].text
    return None


def blank(text, spans):
    """Return ``text`` with every span (start, end) turned to spaces, its line ends kept."""
    parts = []
    at = 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        start = max(start, at)
        parts.append(text[at:start])
        parts.append("".join(c if c in "\r\n" else " " for c in text[start:end]))
        at = end
    parts.append(text[at:])
    return "".join(parts)


def drop_removed(text, context="top"):
    """Return ``(text, [(line, option)])``: the text without the options that BIND has removed.

    Every other byte and every line number stay. A removed option that is written wrongly (a semicolon
    missing, say) stays too: the BIND that knew it would have refused it. Never raises.

    >>> drop_removed("options { recursion yes; dnssec-enable no; };")
    ('options { recursion yes;                   };', [(1, 'dnssec-enable')])
    """
    removed = find(text, context).removed
    return blank(text, [(r[2], r[3]) for r in removed]), [(r[0], r[1]) for r in removed]
