"""JUnit XML: a suite a student, a test case a check. Pure.

A test case's class is LAB.STUDENT, for Jenkins and GitLab list cases by class and name and not by suite.
Wrong and blocked are failures (both cost points), ours is an error, what was not tried is skipped. Valid
against the schema of Ant's JUnitReport, which other readers' schemas are wider than.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import CheckResult, Outcome, Status
from labgrader.reporters import student_text
from labgrader.reporters.student_text import number, plain
from labgrader.reporters.written import file_names

EPOCH = "1970-01-01T00:00:00"
KINDS = {Outcome.FAIL: "failure", Outcome.BLOCKED: "failure", Outcome.ERROR: "error"}


def render(results: ClassResults) -> bytes:
    """The document as UTF-8; for the instructor, so hidden checks are told like others."""
    root = ElementTree.Element("testsuites")
    # A dot ends a package.
    names = file_names(row.student.replace(".", "_") for row in results.rows)
    for index, (row, name) in enumerate(zip(results.rows, names, strict=True)):
        root.append(_suite(results, row, index, f"{plain(results.lab)}.{name}"))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(results: ClassResults, row: Row, index: int, student: str) -> ElementTree.Element:
    cases = _cases(row)
    for case in cases:
        case.set("classname", student)
    tags = [child.tag for case in cases for child in case]
    suite = ElementTree.Element(
        "testsuite",
        package=plain(results.lab),
        id=str(index),
        name=plain(row.student) or "?",
        timestamp=_timestamp(row.report.started if row.report else results.started),
        hostname="localhost",
        tests=str(len(cases)),
        failures=str(tags.count("failure")),
        errors=str(tags.count("error")),
        skipped=str(tags.count("skipped")),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(results, row).items():
        ElementTree.SubElement(properties, "property", name=plain(name) or "?", value=plain(value))
    suite.extend(cases)
    ElementTree.SubElement(suite, "system-out").text = "\n".join(map(plain, row.all_notes))
    ElementTree.SubElement(suite, "system-err").text = plain(row.trouble or "")
    return suite


def _properties(results: ClassResults, row: Row) -> dict[str, str]:
    found = {"status": row.status, "possible": number(results.possible), "late": str(row.late).lower()}
    if row.score is not None:
        found["score"] = number(row.score)
    for name, value in (("name", row.name), ("submitted", row.submitted)):
        if value:
            found[name] = value
    if row.report is not None and row.report.status is Status.GRADED:
        for check in row.report.checks:
            found[f"points.{check.id}"] = f"{number(check.earned)}/{number(check.points)}"
    return found


def _cases(row: Row) -> list[ElementTree.Element]:
    report = row.report
    if report is None:
        name = "The grading has come to it" if row.waiting else "There is a submission"
        return [_case(name, 0.0, "skipped", row.status, row.trouble or "")]
    if report.status is Status.REJECTED:
        said = student_text.of_report(report, ())
        return [_case(student_text.CAN_BE_USED, 0.0, "failure", "rejected", said)]
    cases = [_check(check) for check in report.checks]
    if report.status is Status.INCOMPLETE:
        cases.append(_case("The grading came to its end", 0.0, "error", "incomplete", row.trouble or ""))
    return cases


def _check(check: CheckResult) -> ElementTree.Element:
    name, seconds = f"{check.id}: {check.title}", check.duration_s
    if check.quarantined:
        return _case(name, seconds, "skipped", "quarantined", student_text.QUARANTINED)
    if check.outcome is Outcome.PASS:
        return _case(name, seconds)
    said = check.message if check.outcome is not Outcome.BLOCKED else f"{check.message} ({check.blocked_by})"
    return _case(name, seconds, KINDS[check.outcome], check.outcome.value, said)


def _case(name: str, seconds: float, tag: str = "", kind: str = "", said: str = "") -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=plain(name), classname="", time=f"{max(seconds, 0.0):.3f}")
    if tag:
        element = ElementTree.SubElement(case, tag, message=plain(said), type=kind)
        element.text = plain(said) if tag != "skipped" else None
    return case


def _timestamp(text: str) -> str:
    """The schema knows no time zone: UTC, to the second."""
    found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text, re.ASCII)
    return found[0] if found else EPOCH
