"""`lab doctor`: what this machine lacks for each provider, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from labgrader.doctor_findings import Finding, State, Verdict, install_command, to_mend, verdict
from labgrader.errors import LabgraderError, UsageError

APT_S = 900
ABOUT = {"netns": "machines out of Linux namespaces", "vagrant": "virtual machines"}
DEFAULT = "netns"


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
