"""`lab doctor`: what this machine lacks for each provider, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from labgrader.errors import LabgraderError, UsageError

APT_S = 900
ABOUT = {"netns": "machines out of Linux namespaces", "vagrant": "virtual machines"}
DEFAULT = "netns"


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


def run(fix: bool, provider: str | None = None, *, as_set: bool = False) -> int:
    """Check what the providers need, print a line a check, mend what is ours to mend if `fix`.

    `provider`: the one to look at and to mend; without it all are looked at, and the default one is mended.
    `as_set`: of its ways only the one that a lab would take now counts, as its settings stand.
    Returns 0 if that provider (the default one, if none is named) can be used, 1 if not.
    Raises UsageError for a provider that does not exist.
    """
    if provider is not None and provider not in ABOUT:
        raise UsageError(f"There is no provider {provider!r} (there are: {', '.join(ABOUT)}).")
    verdicts = []
    for name in [provider] if provider else ABOUT:
        if provider is None:
            print(f"{name}: {ABOUT[name]}", flush=True)
        verdicts.append(_look(name, fix=fix and name == (provider or DEFAULT), as_set=as_set))
    for found in verdicts:
        print(found.line, flush=True)
    decides = next(found for found in verdicts if found.provider == (provider or DEFAULT))
    return 0 if decides.usable else 1


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


def _look(provider: str, *, fix: bool, as_set: bool) -> Verdict:
    findings = _told(_findings(provider, as_set))
    mended = mend(to_mend(findings)) if fix else []
    for sentence in mended:
        print(sentence, flush=True)
    if mended:
        print("Once more:", flush=True)
        findings = _told(_findings(provider, as_set))
    found = verdict(provider, findings)
    if found.usable and provider == "netns":
        from labgrader.providers.netns.doctor import try_lab

        found = verdict(provider, findings + _told([try_lab()]))
    return found


def _findings(provider: str, as_set: bool) -> Iterator[Finding]:
    if provider == "netns":
        from labgrader.providers.netns import doctor as netns

        return netns.findings()
    from labgrader.providers.vagrant import doctor as vagrant

    return vagrant.findings(as_set=as_set)


def mend(findings: Iterable[Finding]) -> list[str]:
    """Carry out the remedies that are ours: packages first, all at once. A sentence for each thing done."""
    wrong = [finding for finding in findings if finding.state is not State.OK]
    said = []
    if packages := sorted({name for finding in wrong for name in finding.packages}):
        said.append(_install(packages))
    for fix, name in {finding.fix: finding.name for finding in wrong if finding.fix is not None}.items():
        try:
            said.append(fix())
        except LabgraderError as error:
            said.append(f"{name}: {error.message}")
    return said


def install_command(packages: Iterable[str], dnf: Iterable[str] = ()) -> str:
    """The command that a person types to install Debian packages, or `dnf`'s where dnf is used."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if dnf and has_dnf():
        return f"{sudo}dnf install {' '.join(dnf)}"
    return f"{sudo}apt-get install --no-install-recommends {' '.join(packages)}"


def has_dnf() -> bool:
    """Whether packages come by dnf here: Fedora, RHEL and their like."""
    return shutil.which("apt-get") is None and shutil.which("dnf") is not None


def _told(findings: Iterable[Finding]) -> list[Finding]:
    told = []
    for finding in findings:
        print(finding.line, flush=True)
        told.append(finding)
    return told


def _install(packages: list[str]) -> str:
    names = " ".join(packages)
    apt = shutil.which("apt-get")
    if apt is None:
        return f"{names}: there is no apt-get on this machine."
    before: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode != 0:
            return f"{names}: only root may install packages; run: {install_command(packages)}"
        before = [sudo, "-n"]
    before += ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", apt, "-q", "-y"]
    install = [*before, "install", "--no-install-recommends", *packages]
    # The package lists may be missing or old; an update is worth its time only then.
    for argv in (install, [*before, "update"], install):
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=APT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{names}: {error}"
        if argv is install and done.returncode == 0:
            return f"Installed {names}."
    errors = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
    why = " / ".join(errors[-2:]) or f"apt-get exited with {done.returncode}"
    return f"{names} could not be installed: {why}"
