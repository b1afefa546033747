"""`lab doctor`: what this machine lacks for each provider, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from labgrader.errors import LabgraderError

APT_S = 900


class State(StrEnum):
    """How a check went: LACKS = the provider cannot be used so, NOTE = it can, but somebody should know."""

    OK = "ok"
    LACKS = "lacks"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """What one check found, and what mends it: `remedy` for a person, `packages` and `fix` for us."""

    state: State
    name: str
    message: str
    remedy: str | None = None
    packages: tuple[str, ...] = ()
    fix: Callable[[], str] | None = None  # mends it and returns what it did; raises LabgraderError

    @property
    def line(self) -> str:
        """The finding as one line."""
        return f"{self.state:5}  {self.name}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


def run(fix: bool) -> int:
    """Check what the namespace provider needs, print a line a check, mend what is ours to mend if `fix`.

    Returns 0 if the provider can be used, 1 if not.
    """
    from labgrader.providers.netns import doctor as netns

    findings = _told(netns.findings())
    mended = mend(findings) if fix else []
    for sentence in mended:
        print(sentence, flush=True)
    if mended:
        print("Once more:", flush=True)
        findings = _told(netns.findings())
    usable = not any(finding.state is State.LACKS for finding in findings)
    if usable:
        tried = netns.try_lab()
        _told([tried])
        usable = tried.state is not State.LACKS
    print(f"The provider netns {'can' if usable else 'cannot'} be used on this machine.")
    return 0 if usable else 1


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


def install_command(packages: Iterable[str]) -> str:
    """The command that a person types to install Debian packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --no-install-recommends {' '.join(packages)}"


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
