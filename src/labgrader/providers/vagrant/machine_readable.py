"""What `vagrant --machine-readable` and `vagrant ssh-config` print, as values. Pure.

A line of Vagrant's is `timestamp,target,type,data…` (lib/vagrant/ui.rb: commas, newlines and carriage
returns within data are written as `%!(VAGRANT_COMMA)`, `\\n` and `\\r`). What it starts, and its own plain
output, comes between these lines in any form.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

COMMA = "%!(VAGRANT_COMMA)"
_LINE = re.compile(r"([0-9]{9,12}),([^,]*),([a-z][a-z0-9_-]*)(?:,(.*))?\Z", re.DOTALL)
# How Vagrant marks a text with its machine for people (UI::Prefixed).
_PREFIX = re.compile(r"^(?:==> |    )[^\s:]+: ?", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One line: `kind` is Vagrant's type ("" for a line of another program, with its text in `data`).

    `target` is the machine that it is about ("" for none), `time` Vagrant's clock in whole seconds.
    """

    kind: str
    data: tuple[str, ...]
    target: str = ""
    time: int = 0


@dataclass(frozen=True)
class Failure:
    """What Vagrant ended with: the Ruby class of the error ("" if none was told) and its message."""

    error: str
    message: str


@dataclass(frozen=True)
class Said:
    """A text that Vagrant meant for people; `level` is one of detail, info, output, success, warn, error."""

    target: str
    level: str
    text: str


@dataclass(frozen=True)
class SshHost:
    """How Vagrant would reach a machine: what one `Host` block of an ssh configuration says."""

    host: str
    address: str
    port: int
    user: str
    keys: tuple[str, ...] = ()


def line(text: str) -> Line:
    """The value of one line (without its newline); any text at all is taken."""
    found = _LINE.match(text)
    if found is None:
        return Line("", (text,))
    time, target, kind, data = found.groups()
    # Vagrant writes the comma of an empty data list too.
    fields = () if not data else tuple(_undone(field) for field in data.split(","))
    return Line(kind, fields, target, int(time))


def lines(text: str) -> list[Line]:
    """The values of all lines of a text; other line ends than a newline are part of a line."""
    return [line(item.removesuffix("\r")) for item in text.removesuffix("\n").split("\n")] if text else []


def plain(told: Iterable[Line]) -> str:
    """What was printed outside of the format, as a text."""
    return "\n".join(item.data[0] for item in told if not item.kind)


def states(told: Iterable[Line]) -> dict[str, str]:
    """Machines and their states, as `vagrant status` tells them: v0 to running, not_created, poweroff …"""
    return {item.target: item.data[0] for item in told if item.kind == "state" and item.data}


def failure(told: Iterable[Line]) -> Failure | None:
    """The error that ended Vagrant; None if it told none in this form."""
    ends = [item for item in told if item.kind == "error-exit" and item.data]
    return Failure(ends[-1].data[0], "".join(ends[-1].data[1:2])) if ends else None


def said(told: Iterable[Line]) -> list[Said]:
    """The texts for people, without the machine's name that Vagrant puts before each of their lines."""
    return [
        Said(item.target, item.data[0], _PREFIX.sub("", item.data[1]) if item.target else item.data[1])
        for item in told
        if item.kind == "ui" and len(item.data) > 1
    ]


def snapshots(told: Iterable[Line]) -> dict[str, tuple[str, ...]]:
    """The snapshots of each machine, as `vagrant snapshot list` tells them.

    The format has no type for them: each is a bare detail after an empty text. A machine without any is
    there with an empty tuple, one that is not created is left out.
    """
    found: dict[str, list[str]] = {}
    begun: set[str] = set()
    for item in said(told):
        if item.level == "output":
            found.setdefault(item.target, [])
            begun = begun - {item.target} if item.text else begun | {item.target}
        elif item.level == "detail" and item.target in begun:
            found[item.target].append(item.text)
    return {target: tuple(names) for target, names in found.items()}


def ssh_config(text: str) -> list[SshHost]:
    """The machines in what `vagrant ssh-config` printed; what is no ssh configuration is passed over.

    A block without address, port or user gets ssh's own: the host's name, 22 and "".
    """
    blocks: list[tuple[str, dict[str, list[str]]]] = []
    for item in text.splitlines():
        word, _, rest = item.strip().partition(" ")
        values = _words(rest)
        if word.lower() == "host" and values:
            blocks.append((values[0], {}))
        elif blocks and values:
            blocks[-1][1].setdefault(word.lower(), []).append(values[0])
    return [_host(name, options) for name, options in blocks]


def _host(name: str, options: dict[str, list[str]]) -> SshHost:
    port = options.get("port", ["22"])[0]
    return SshHost(
        name,
        options.get("hostname", [name])[0],
        int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 22,
        options.get("user", [""])[0],
        tuple(options.get("identityfile", ())),
    )


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, posix=True)
    except ValueError:  # a quotation mark without its other
        return text.split()


def _undone(field: str) -> str:
    return field.replace("\\n", "\n").replace("\\r", "\r").replace(COMMA, ",")
