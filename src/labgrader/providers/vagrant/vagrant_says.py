"""What made Vagrant fail, and what mends it, as one sentence. Pure; messages are data and come out escaped.

The error's class alone says too little: several machines brought up at once all fail as BatchMultiError, an
unusable provider as ProviderNotUsable, VirtualBox as VBoxManageError. So a cause is known by words of its
message, and by class where that is enough. Words as of Vagrant 2.3.4 and 2.4 (templates/locales/en.yml).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from labgrader.printable import printable
from labgrader.providers.vagrant import says_libvirt, says_vagrant, says_virtualbox

SHOWN = 220
QUOTED = 120
# What the machine itself answered comes first: words in it are not about this machine.
CAUSES = (
    *says_vagrant.INSIDE,
    *says_virtualbox.CAUSES,
    *says_libvirt.CAUSES,
    *says_vagrant.CAUSES,
    *says_vagrant.SYSTEM,
)
_PART = (
    r"An? (?:unexpected )?error occurred (?:while|when) executing the action on the\s+'([^']+)'\s+machine\."
)
_BATCH = re.compile(rf"{_PART}(.*?)(?={_PART}|\Z)", re.DOTALL)
_ASIDE = re.compile(r"\A\s*Please (?:handle this error then try again|report this as a bug):\s*")
_BACKED = re.compile(r"\bto\s+back\s+the\s+machine\s+'([^']+)'")
_PLACE = re.compile(r"\{(\w+)\}")
_EARLY = re.compile(r"Vagrant failed to initialize at a very early stage:\s*")
# How Ruby prints an error that nobody caught: file:line:in `method': message (Class)
_RUBY = re.compile(r"^\S*\.rb:\d+:in [`'].*?': (.*?) \(([A-Z]\w*(?:::\w+)*)\)\s*$", re.DOTALL | re.MULTILINE)
_TOOL = re.compile(r"VBoxManage(?:\.exe)?: error: (.*)$", re.MULTILINE)
_COMMAND = re.compile(r'Command: \["([a-z]+)"')
_LIBVIRT = re.compile(r"Call to (vir\w+) failed: (.*)", re.DOTALL)


def sentence(error: str, message: str, said: Sequence[str], status: int, *, machine: str = "") -> str:
    """One sentence, without a full stop: the machine, the cause, the remedy.

    `error` is the Ruby class and `message` the text that Vagrant ended with ("" for none), `said` what else
    it printed (warnings, plain output, stderr), `status` its exit status, `machine` the one it was at.
    """
    told = "\n".join(said)
    error, message = _found(error, message, told)
    if parts := _BATCH.findall(message):
        return _batch([(name, _ASIDE.sub("", text)) for name, text, _ in parts], told)
    if backed := _BACKED.search(message):
        machine = backed[1]
    cause = _cause(error, message, told) or _general(error, message, status)
    # Of what is not about a machine, Vagrant says "box" in its place.
    if machine and machine != "box":
        return f"{printable(machine, 40)}: {cause}"
    return f"a machine: {cause}" if cause.startswith(("it ", "its ")) else cause


def _found(error: str, message: str, told: str) -> tuple[str, str]:
    """The class and the message, also of an error that came before Vagrant could tell it in its format."""
    if not message:
        if trace := _RUBY.search(told):
            return trace[2], trace[1]
        if early := _EARLY.search(told):
            return error, told[early.end() :]
    return error, message


def _batch(parts: list[tuple[str, str]], told: str) -> str:
    """The same cause is told once, for all its machines."""
    machines: dict[str, list[str]] = {}
    for name, text in parts:
        cause = _cause("", text, told) or _general("", text, 1)
        machines.setdefault(cause, []).append(printable(name, 40))
    return "; ".join(f"{', '.join(names)}: {cause}" for cause, names in machines.items())


def _cause(error: str, message: str, told: str) -> str | None:
    name = error.rpartition("::")[2]
    text = _squeezed(message)
    # Without a message, what stands in the output is all there is.
    where = text or _squeezed(told)
    for cause in CAUSES:
        match = re.search(cause.words, where, re.IGNORECASE) if cause.words else None
        if cause.warned and not re.search(cause.warned, told, re.IGNORECASE):
            continue
        if match is None and name not in cause.errors:
            continue
        return _filled(cause.sentence, match.groupdict() if match else {})
    return None


def _filled(sentence: str, groups: Mapping[str, str | None]) -> str:
    """The sentence with what was found; a bracket is left out, another place says NAME, where nothing was."""
    # An alternative's group for the same place has a number after its name.
    found = {key.rstrip("0123456789"): value.strip() for key, value in groups.items() if value}

    def value(place: re.Match[str]) -> str:
        return printable(found[place[1]], QUOTED) if place[1] in found else place[1].upper()

    for name in set(_PLACE.findall(sentence)) - set(found):
        sentence = sentence.replace(f" ({{{name}}})", "")
    return _PLACE.sub(value, sentence)


def _general(error: str, message: str, status: int) -> str:
    """What Vagrant itself says, shortened, where no cause is known."""
    name = printable(error.rpartition("::")[2], 60)
    if lines := _TOOL.findall(message):
        command = _COMMAND.search(message)
        what = f"VBoxManage {command[1]}" if command else "VBoxManage"
        return f"{what} failed: {_shown(' / '.join(line for line in lines if not _is_place(line)))}"
    if call := _LIBVIRT.search(message):
        return f"libvirt failed in {call[1]}: {_shown(call[2])}"
    if message and error and "::Errors::" not in error:
        return f"Vagrant itself broke off ({name}: {_shown(message)})"
    if message:
        return f"Vagrant failed{f' ({name})' if name else ''}: {_shown(message)}"
    if status > 128:
        return f"Vagrant was ended from outside by signal {status - 128} (9: perhaps for want of memory)"
    return f"Vagrant ended with exit status {status} and told no reason"


def _is_place(line: str) -> bool:
    return line.startswith(("Details: code", "Context: "))


def _shown(text: str) -> str:
    return printable(_squeezed(text).rstrip("."), SHOWN)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
