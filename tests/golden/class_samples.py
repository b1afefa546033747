"""A constructed class on tcp-server: every kind of row that there is, and a hostile one."""

from __future__ import annotations

from dataclasses import replace

from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import Evidence, Report
from tests.golden import reports

CHECKS = tuple(CheckColumn(c.id, c.title, c.points, False) for c in reports.FULL_MARKS.checks)
HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>\x1b[31m\u202e]]>"


def of(report: Report, student: str) -> Report:
    """The report as another student's, with times."""
    timed = tuple(replace(check, duration_s=0.25) for check in report.checks)
    return replace(
        report,
        student=student,
        checks=timed,
        timings={"create_s": 0.5, "checks_s": 1.75},
        started="2026-11-23T20:26:59.084Z",
        finished="2026-11-23T20:27:01.334Z",
    )


def hostile() -> Report:
    """A report whose every text is an attempt on the reader's program."""
    report = of(reports.LOOPBACK_ONLY, HOSTILE)
    checks = tuple(
        replace(
            check, message=check.message + HOSTILE, evidence=(Evidence(HOSTILE, f'{HOSTILE}\n{HOSTILE}\\"'),)
        )
        for check in report.checks
    )
    return replace(report, checks=checks, notes=(HOSTILE,))


ROWS = (
    Row("alice", "Alice Liddell", "alice@example.org", "alice.zip", {"moodle": "1001", "canvas": "501"},
        submitted="2026-11-20T18:00:00Z", report=of(reports.FULL_MARKS, "alice")),
    Row("bob", "O'Neill, Bob", "bob@example.org", "bob/", {"moodle": "1002", "canvas": "502"}, late=True,
        submitted="2026-11-23T00:05:00Z", notes=("Handed in 5 min after the deadline.",),
        report=of(reports.LOOPBACK_ONLY, "bob")),
    Row("zhangsan", "张三", "zhangsan@example.org", "张三_1003_assignsubmission_file_/", {"moodle": "1003"},
        report=of(reports.LONG_PRINTOUT, "zhangsan")),
    Row("carol", "Carol Danvers", None, "carol.tar.gz", report=of(reports.REJECTED, "carol")),
    Row("dave", "Dave Bowman", "dave@example.org", "dave.py", report=of(reports.INCOMPLETE, "dave")),
    Row("erin", "Erin Brockovich", "erin@example.org", "roster.csv:7",
        problem="There is no submission of erin's; the roster names erin.zip, which is not there."),
    Row(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {"moodle": HOSTILE, "canvas": HOSTILE}, notes=(HOSTILE,),
        submitted=HOSTILE, report=hostile()),
)  # fmt: skip
CLASS = ClassResults(
    "tcp-server", reports.TITLE, 100.0, CHECKS, ROWS, "2026-11-23T20:26:00Z", "2026-11-23T20:31:00Z", "netns"
)


def large(students: int) -> ClassResults:
    """A class of that many, with every kind of report in it."""
    kinds = [reports.FULL_MARKS, reports.LOOPBACK_ONLY, reports.LONG_PRINTOUT, reports.LOOPBACK_ONLY]
    special = {50: reports.REJECTED, 97: reports.INCOMPLETE}
    rows = []
    for n in range(students):
        report = next((kind for step, kind in special.items() if n % step == step - 1), kinds[n % len(kinds)])
        student = f"student{n:04}"
        name, email = f"Name Of {n * 7919 % students:04}", f"{student}@example.org"
        rows.append(Row(student, name, email, f"{student}.zip", late=n % 23 == 0, report=of(report, student)))
    return replace(CLASS, rows=tuple(rows))
