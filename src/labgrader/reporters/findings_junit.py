"""A proof's findings as JUnit XML, for programs that show test results. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from labgrader.printable import printable
from labgrader.proving.findings import Finding

LONGEST = 4000


@dataclass(frozen=True)
class Section:
    """The findings of one lab, or of one other part of a run."""

    name: str
    title: str
    findings: Sequence[Finding]

    @property
    def wrong(self) -> int:
        return sum(not finding.holds for finding in self.findings)


def junit(sections: Sequence[Section], started: datetime.datetime) -> str:
    """One suite a section; a finding of the lab's is a failure, one of our machinery an error."""
    root = ElementTree.Element("testsuites", name="labgrader")
    for section in sections:
        wrong = [finding for finding in section.findings if not finding.holds]
        errors = sum(finding.ours for finding in wrong)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_plain(section.name),
            timestamp=started.isoformat(timespec="seconds"),
            tests=str(len(section.findings)),
            failures=str(len(wrong) - errors),
            errors=str(errors),
            skipped="0",
            time=f"{sum(finding.seconds for finding in section.findings):.3f}",
        )
        for finding in section.findings:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=_plain(".".join(filter(None, [section.name, finding.provider]))),
                name=_plain(finding.name),
                time=f"{finding.seconds:.3f}",
            )
            said = _plain(finding.message)
            if finding.holds:
                ElementTree.SubElement(case, "system-out").text = said
            else:
                kind = "error" if finding.ours else "failure"
                ElementTree.SubElement(case, kind, message=said).text = said
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _plain(text: str) -> str:
    """XML knows no control characters, not even escaped ones."""
    return printable(text, LONGEST)
