"""What a store holds as a class's results: the tables that are written, and the summary that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labgrader import reporters
from labgrader.batch import files
from labgrader.batch.store import Store
from labgrader.errors import LabError, LabgraderError
from labgrader.model import class_results
from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import Report
from labgrader.printable import printable
from labgrader.reporters.student_text import number

LISTED = 20
GONE = "This is not among the submissions any more; the result is that of an earlier grading."
UNREACHED = "This is not graded yet; the same ./lab grade goes on with it."
OLD = "This grading has not come as far yet; the result is that of an earlier one."


def results(store: Store) -> ClassResults:
    """The class as it stands: each student's newest judging, also while a grading is under way."""
    about = store.about()
    if "lab" not in about:
        raise LabError(f"{store.folder} holds no class yet; the grading was ended before it began.")
    rows = [_row(store, about, *item) for item in store.students()]
    reports = [row.report for row in rows if row.report is not None]
    return ClassResults(
        lab=about["lab"],
        title=about["title"],
        possible=about["possible"],
        checks=_columns(reports),
        rows=tuple(rows),
        started=about["started"],
        finished=about.get("finished", ""),
        provider=about["provider"],
        versions=about.get("versions", {}),
    )


def write(
    store: Store, found: ClassResults, templates: Mapping[str, bytes], column: str | None
) -> tuple[list[str], list[str]]:
    """Write what is always written, and the templates filled in (by format); the files, and what to tell.

    A format that fails is told, and does not keep the others from being written. LabError if RUN is full.
    """
    written: list[str] = []
    told: list[str] = []
    for name in (*reporters.ALWAYS, *templates):
        try:
            made = reporters.render(name, found, template=templates.get(name), column=column)
        except LabgraderError as error:
            told.append(f"{name}: {error.message}")
            continue
        files.write_all(store.folder, made.files)
        where = reporters.FORMATS[name].file
        if where.endswith("/"):
            files.remove_others(store.folder / where, {store.folder / path for path in made.files})
        written.append(where)
        # Of the others nothing is told that the summary does not tell: who has no result, and why.
        told += [f"{where}: {line}" for line in made.told if name in templates]
    for name, known in reporters.FORMATS.items():
        if known.template and name not in templates and (store.folder / known.file).exists():
            anew = f"./lab report --as {name} --template … writes it anew"
            told.append(f"{known.file} is that of an earlier grading; {anew}.")
    return written, told


def summary(found: ClassResults) -> str:
    """The class in a few lines, and who has no score or was rejected, and why; harmless on a terminal."""
    counts = class_results.counts(found)
    parts = [f"{counts.full} with full marks", f"{counts.graded - counts.full} with marks lost"]
    parts += [f"{counts.rejected} rejected"] if counts.rejected else []
    parts += [f"{counts.missing} without a submission"] if counts.missing else []
    parts += [f"{counts.incomplete} incomplete"] if counts.incomplete else []
    parts += [f"{counts.waiting} not graded yet"] if counts.waiting else []
    parts += [f"{counts.late} of them late"] if counts.late else []
    students = "1 student" if counts.students == 1 else f"{counts.students} students"
    lines = [f"{found.lab}: {students}: {', '.join(parts)}."]
    mean, median = class_results.mean(found), class_results.median(found)
    if mean is not None and median is not None:
        lines.append(f"Mean {mean:.1f}, median {median:.1f} of {number(found.possible)}.")
    troubled = [row for row in found.rows if row.trouble is not None and not row.waiting]
    incomplete = [row for row in troubled if row.report is not None]
    lines += _listed("Incomplete, which is the grader's fault", incomplete)
    lines += _listed("Not graded", [row for row in troubled if row.report is None])
    lines += _listed("Rejected", [row for row in found.rows if row.status == "rejected"])
    return "\n".join(lines) + "\n"


def _listed(title: str, rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    lines = [f"{title}:"]
    lines += [f"  {printable(row.student)}: {printable(_why(row), 300)}" for row in rows[:LISTED]]
    if len(rows) > LISTED:
        lines.append(f"  … and {len(rows) - LISTED} more; report.html has them all.")
    return lines


def _why(row: Row) -> str:
    return row.trouble or (row.report.error if row.report is not None else None) or "no reason was told"


def formats(folder: Path) -> str:
    """The formats that `lab report --as` takes, a line each."""
    width = max(map(len, reporters.FORMATS))
    lines = [f"  {name:{width}}  {known.file}: {known.about}" for name, known in reporters.FORMATS.items()]
    return f"./lab report {printable(str(folder))} --as FORMAT writes:\n" + "\n".join(lines) + "\n"


def _row(store: Store, about: Mapping[str, Any], row: Row, settled: bool, present: bool) -> Row:
    if row.problem is not None and present:
        return row
    newest = store.newest(row.student)
    report = newest.report if newest is not None else None
    if report is None or report.lab != about["lab"]:
        why = (row.problem or GONE) if not present else UNREACHED
        return replace(row, problem=why, waiting=present)
    notes = () if settled else (OLD,) if present else (GONE,)
    return replace(row, problem=None, report=report, notes=(*row.notes, *notes))


def _columns(reports: Sequence[Report]) -> tuple[CheckColumn, ...]:
    """Every check that any report has, in the order of the first; in quarantine it is worth nothing."""
    columns: dict[str, CheckColumn] = {}
    for report in reports:
        for check in report.checks:
            known = columns.get(check.id)
            if known is None or known.points < check.points:
                columns[check.id] = CheckColumn(check.id, check.title, check.points, check.hidden)
    return tuple(columns.values())
