"""`lab nightly`: doctor, clean-up, proofs and comparison of all labs, and what is read in the morning."""

from __future__ import annotations

import contextlib
import datetime
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labgrader.errors import LabError, LabgraderError, UsageError
from labgrader.model import spec
from labgrader.model.spec import Lab
from labgrader.nightly import journal, lock, source
from labgrader.nightly.journal import Journal
from labgrader.printable import printable
from labgrader.prove import prove
from labgrader.proving.findings import Finding
from labgrader.proving.steps import Maker
from labgrader.reporters.findings_html import html
from labgrader.reporters.findings_junit import Section, junit

Doctor = Callable[[str], tuple[bool, str]]  # by a provider's name: whether it can be used, and what was said
Clean = Callable[[], list[str]]
JUNIT, HTML, LOG, FAILURES = "junit.xml", "report.html", "nightly.log", "failures.txt"
LINE = 2000


def state() -> Path:
    """Where nightly runs keep their journal, and their results unless told otherwise."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local/state") / "labgrader/nightly"


@dataclass
class _Night:
    """One run: what it has found so far, and the log that it writes."""

    journal: Journal
    sections: list[Section] = field(default_factory=list)

    def say(self, line: str) -> None:
        text = f"{_now():%H:%M:%S} {printable(line, LINE)}"
        print(text, flush=True)
        try:
            with (self.journal.out / LOG).open("a", encoding="utf-8") as stream:
                stream.write(text + "\n")
        except OSError as error:
            raise LabError(f"{self.journal.out / LOG} cannot be written: {error.strerror}.") from error

    def section(self, name: str, title: str) -> Callable[[Finding], None]:
        """Begin a section; what it returns takes the section's findings."""
        findings: list[Finding] = []
        self.sections.append(Section(name, title, findings))
        self.say(f"{name}: {title}")

        def tell(finding: Finding) -> None:
            findings.append(finding)
            self.say(_line(finding))

        return tell

    @property
    def findings(self) -> list[Finding]:
        return [finding for section in self.sections for finding in section.findings]


def run(
    labs: Sequence[Lab],
    providers: Mapping[str, Maker],
    *,
    doctor: Doctor,
    clean: Clean,
    out: Path | None = None,
    every: int = 1,
    repeats: int = 3,
    unfinished: bool = False,
) -> int:
    """The whole job, or what is left of it where the same job was cut off; returns its exit status.

    Results go to `out` (default: a folder of the day). Returns 0 if all holds, 1 if a lab or a check
    disagrees, 3 if our machinery or the machine failed. `unfinished`: only go on with a run that was cut off,
    and do nothing (0) where there is none. Raises UsageError while another run is under way.
    """
    with lock.held(state() / "lock"):
        key: dict[str, Any] = {
            "commit": source.commit(),
            "source": source.digest(labs),
            "labs": [str(lab.folder) for lab in labs],
            "providers": list(providers),
            "every": every,
            "repeats": repeats,
            "out": str(out) if out else None,
        }
        if unfinished and journal.resume(_place(), key, _now()) is None:
            print("There is no run with these options that was cut off within a day; nothing to go on with.")
            return 0
        night = _Night(_journal(key, out))
        try:
            status = _night(night, labs, providers, doctor, clean, every, repeats)
        except BaseException:
            _cleaned(clean)
            with contextlib.suppress(LabError):  # a full disk, perhaps the very reason
                night.say("cut off; the same command goes on from here")
            raise
        _write(night, key["commit"])
        night.journal.end(status)
        night.say(f"exit status {status}; the results are in {night.journal.out}")
        return status


def _night(
    night: _Night,
    labs: Sequence[Lab],
    providers: Mapping[str, Maker],
    doctor: Doctor,
    clean: Clean,
    every: int,
    repeats: int,
) -> int:
    if night.journal.resumed:
        night.say(f"going on after {night.journal.resumed} finished steps")
    usable = _usable(night, providers, doctor)
    before, failed = _cleaned(clean)
    for line in before:
        night.say(f"removed {line}")
    if usable:
        for lab in labs:
            _prove(night, lab, usable, every, repeats)
    left, failed_after = _cleaned(clean)
    for line in left:
        night.say(f"removed {line}")
    tell = night.section("clean", "nothing is left behind")
    said = "; ".join(filter(None, [failed, failed_after]))
    tell(Finding("lab clean", not said, said or f"removed {len(left)}", ours=bool(said)))
    findings = night.findings
    wrong = [finding for finding in findings if not finding.holds]
    night.say(f"{len(findings) - len(wrong)} of {len(findings)} hold")
    if any(finding.ours for finding in wrong):
        return 3
    return 1 if wrong else 0


def _usable(night: _Night, providers: Mapping[str, Maker], doctor: Doctor) -> dict[str, Maker]:
    """The providers that the doctor lets pass and that could be prepared.

    Asked anew by a run that goes on: a reboot is what changes the answer, to a kernel without vboxdrv, say.
    """
    tell = night.section("doctor", "what this machine can be used for")
    usable = {}
    for name, maker in providers.items():
        try:
            good, words = doctor(name)
            if good:
                maker().prepare()
                usable[name] = maker
            tell(Finding("doctor", good, words, ours=True, provider=name))
        except LabgraderError as error:
            tell(Finding("doctor", False, error.message, ours=True, provider=name))
    return usable


def _prove(night: _Night, lab: Lab, providers: Mapping[str, Maker], every: int, repeats: int) -> None:
    tell = night.section(lab.name, lab.title)
    try:
        prove(
            lab,
            spec.parameters(lab, {}),
            providers,
            every=every,
            repeats=repeats,
            memory=night.journal.of(str(lab.folder)),
            tell=tell,
        )
    except LabgraderError as error:
        tell(Finding("proof", False, error.message, ours=isinstance(error, LabError)))
    except Exception as error:
        # One lab's trouble must not cost the night.
        for line in traceback.format_exc().splitlines():
            night.say(f"  {line}")
        said = f"labgrader itself failed: {type(error).__name__}: {error}"
        tell(Finding("proof", False, said, ours=True))


def _cleaned(clean: Clean) -> tuple[list[str], str]:
    """What was removed, and why it could not be done, if so."""
    try:
        return clean(), ""
    except LabgraderError as error:
        return [], error.message
    except Exception as error:
        return [], f"labgrader itself failed: {type(error).__name__}: {error}"


def _journal(key: Mapping[str, Any], out: Path | None) -> Journal:
    now, path = _now(), _place()
    found = journal.resume(path, key, now)
    try:
        if found is None:
            found = journal.begin(path, key, now, out or _folder_of(now))
            found.out.mkdir(parents=True, exist_ok=True)
            for name in (JUNIT, HTML, LOG, FAILURES):
                (found.out / name).unlink(missing_ok=True)
        found.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {found.out if found else out}: {error.strerror}.") from error
    return found


def _place() -> Path:
    return state() / "journal.jsonl"


def _now() -> datetime.datetime:
    return datetime.datetime.now().astimezone()


def _folder_of(now: datetime.datetime) -> Path:
    """A folder for this day's run; a second one on the same day has a number."""
    number = 1
    while True:
        folder = state() / (f"{now:%Y-%m-%d}" + (f"-{number}" if number > 1 else ""))
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def _write(night: _Night, commit: str) -> None:
    out = night.journal.out
    started = night.journal.started
    wrong = [
        f"{section.name}: {_line(finding)}"
        for section in night.sections
        for finding in section.findings
        if not finding.holds
    ]
    texts = {
        JUNIT: junit(night.sections, started),
        HTML: html(night.sections, started, commit),
        FAILURES: "".join(f"{printable(line, LINE)}\n" for line in wrong),
    }
    for name, text in texts.items():
        try:
            (out / f"{name}.new").write_text(text, encoding="utf-8")
            (out / f"{name}.new").replace(out / name)
        except OSError as error:
            raise LabError(f"{out / name} cannot be written: {error.strerror}.") from error


def _line(finding: Finding) -> str:
    where = f"{finding.provider}: " if finding.provider else ""
    return f"{'  ok ' if finding.holds else 'WRONG'}  {where}{finding.name}: {finding.message}"
