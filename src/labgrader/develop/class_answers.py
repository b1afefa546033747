"""What each submission of the measured class must come to: full marks, or the losses that it is made for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from labgrader.errors import LabError
from labgrader.model.results import Report, Status
from labgrader.proving import findings, mutants, record
from labgrader.proving.mutants import Mutant

EXPECT = re.compile(r"# expect: (any|score=100|(?:(?:fails|blocked)=[\w,]+ ?)+)")


def expected(program: Path) -> Mutant | None:
    """What a hostile program must lose, by the comment that it begins with; None for whatever it likes.

    Raises LabError where it begins with none.
    """
    said = EXPECT.match(program.read_text(encoding="utf-8", errors="replace"))
    if said is None:
        raise LabError(f"{program} begins with no expectation; write # expect: fails=CHECK,… blocked=CHECK,…")
    if said[1] == "any":
        return None
    ids = {name: tuple(words.split(",")) for name, words in re.findall(r"(fails|blocked)=([\w,]+)", said[1])}
    return Mutant(title=program.stem, fails=ids.get("fails", ()), blocked=ids.get("blocked", ()))


def wrong(report: Report, kind: str, source: Path) -> str | None:
    """Why this is not what a submission of that kind (right, wrong, hostile) from that file must come to."""
    if kind == "wrong":
        owed: Mutant | None = mutants.read(source.parent)
    elif kind == "hostile":
        owed = expected(source)
    else:
        owed = Mutant(title="the reference")
    if report.status is not Status.GRADED:
        return f"{report.status.value}: {report.error or ''}"
    if owed is None:
        return None
    found = findings.of_mutant(source.name, owed, record.of(report), report.provider)
    return None if found.holds else found.message


def must_be_right(reports: Mapping[str, Report], handed_in: Mapping[str, tuple[str, Path]]) -> None:
    """Raise LabError, with each reason, unless every student's report is what it must be."""
    found = []
    for student, (kind, source) in handed_in.items():
        report = reports.get(student)
        why = "has no report" if report is None else wrong(report, kind, source)
        if why is not None:
            name = source.parent.name if kind == "wrong" else source.stem
            found.append(f"{student} ({kind}: {name}): {why}")
    if found:
        raise LabError(f"{len(found)} of {len(handed_in)} are not graded right:\n  " + "\n  ".join(found))
