"""What a look at a machine finds, what follows of it for a provider, and the commands that mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check went: LACKS = the provider cannot be used so, NOTE = it can, but somebody should know."""

    OK = "ok"
    LACKS = "lacks"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """What one check found, and what mends it: `remedy` for a person, `packages` and `fix` for us.

    `way` is set where a provider can be had in several ways, such as VirtualBox or libvirt: one way without
    a LACKS is enough.
    """

    state: State
    name: str
    message: str
    remedy: str | None = None
    packages: tuple[str, ...] = ()
    fix: Callable[[], str] | None = None  # mends it and returns what it did; raises LabgraderError
    way: str | None = None

    @property
    def line(self) -> str:
        """The finding as one line."""
        return f"{self.state:5}  {self.name}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")

    @property
    def mendable(self) -> bool:
        """Whether `mend` can do something about it."""
        return bool(self.packages) or self.fix is not None


@dataclass(frozen=True)
class Verdict:
    """Whether a provider can be used on this machine, and in which of its ways."""

    provider: str
    usable: bool
    ways: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The verdict as a sentence."""
        said = f"The provider {self.provider} {'can' if self.usable else 'cannot'} be used on this machine"
        if self.usable and self.ways:
            said += f" with {' and '.join(self.ways)}"
            said += f", not with {' or '.join(self.barred)}" if self.barred else ""
        return said + "."


def verdict(provider: str, findings: Sequence[Finding]) -> Verdict:
    """Whether `findings` let the provider be used: nothing of all ways lacks, and one way lacks nothing."""
    lacking = {finding.way for finding in findings if finding.state is State.LACKS}
    ways = tuple(dict.fromkeys(finding.way for finding in findings if finding.way is not None))
    good = tuple(way for way in ways if way not in lacking)
    usable = None not in lacking and (bool(good) or not ways)
    return Verdict(provider, usable, good, tuple(way for way in ways if way in lacking))


def to_mend(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that `--fix` is to see to: of all ways, and of the ways that are or can be made good.

    Where one way is good already, nothing is installed for another.
    """
    found = verdict("", findings)
    ways = set(found.ways) or {
        way
        for way in found.barred
        if all(item.mendable for item in findings if item.way == way and item.state is State.LACKS)
    }
    return [item for item in findings if item.way is None or item.way in ways]


def install_command(packages: Iterable[str], dnf: Iterable[str] = ()) -> str:
    """The command that a person types to install Debian packages, or `dnf`'s where dnf is used."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if dnf and has_dnf():
        return f"{sudo}dnf install {' '.join(dnf)}"
    return f"{sudo}apt-get install --no-install-recommends {' '.join(packages)}"


def has_dnf() -> bool:
    """Whether packages come by dnf here: Fedora, RHEL and their like."""
    return shutil.which("apt-get") is None and shutil.which("dnf") is not None
