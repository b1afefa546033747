"""What `lab grade`, `lab report` and `lab diff` do, and their exit statuses."""

from __future__ import annotations

import contextlib
import datetime
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgrader.errors import LabError, UsageError
from labgrader.model import spec
from labgrader.printable import printable

if TYPE_CHECKING:
    from labgrader.batch.cluster_executor import Cluster
    from labgrader.batch.lanes import Lanes
    from labgrader.batch.work import Setting
    from labgrader.intake.entries import Class
    from labgrader.model.class_results import ClassResults
    from labgrader.providers import Provider

COMPARED_AS_DIFFERENT = 1


def grade(
    lab_name: str,
    submissions: str,
    out: str | None,
    provider_name: str,
    settings: dict[str, str],
    *,
    jobs: int = 0,
    roster: str | None = None,
    deadline: str | None = None,
    templates: Sequence[str] = (),
    column: str | None = None,
    scheduler: str | None = None,
) -> None:
    """Grade a class into the folder `out`; leaves with 0 if all is final, 3 if not, 130 if stopped."""
    from labgrader.batch import exports
    from labgrader.batch import folder as folders
    from labgrader.batch.work import Setting
    from labgrader.intake import deadlines
    from labgrader.intake.entries import whole_class
    from labgrader.providers import provider

    if out is None:
        raise UsageError("./lab grade needs --out RUN, the folder that reports and tables are kept in.")
    lab = spec.find(lab_name)
    setting = Setting(lab, spec.parameters(lab, settings), provider_name)
    chosen = provider(provider_name)
    run, place = Path(out), Path(submissions)
    folders.must_be_apart(run, place)
    read = exports.tried(templates, column)
    until = deadlines.parse(deadline) if deadline is not None else None
    roster_path = Path(roster) if roster is not None else None
    asked = list(lab.submission.files)
    found = whole_class(place, deadline=until, roster=roster_path, files=asked)
    folders.must_be_apart(run, place, found.entries)
    # A roster's folder may hold RUN; that is nobody's submission, and needs no telling.
    strays = [stray for stray in found.strays if (place.parent / stray.source).resolve() != run.resolve()]
    found = replace(found, strays=tuple(strays))
    with folders.held(run) as was_cut_off:
        _must_be_of_the_lab(run, lab.name)
        if was_cut_off:
            _clean(chosen)
        workers, jobs = _workers(setting, chosen, jobs, scheduler)
        try:
            status = _graded(run, setting, chosen, found, workers, jobs, read, column)
        except KeyboardInterrupt:
            _say(f"Stopped. What is graded is kept in {run}; the same command goes on from there.")
            status = 130
    raise SystemExit(status)


def report(
    run: str, format_name: str | None, template: str | None, column: str | None, out: str | None
) -> None:
    """Write a format of a graded class again, or print the summary and what formats there are."""
    from labgrader import reporters
    from labgrader.batch import exports, files, store, tables
    from labgrader.batch import folder as folders

    folder = Path(run)
    folders.must_be_a_run(folder, "RUN")
    if format_name is None and (template or column or out):
        raise UsageError(f"./lab report: say --as what; there is {', '.join(reporters.FORMATS)}.")
    with store.opened(folder, write=False) as kept:
        found, about = tables.results(kept), kept.about()
    if format_name is None:
        print(tables.summary(found), end="")
        if not about.get("done"):
            print("This grading has not come to its end; the same ./lab grade goes on with it.")
        print(tables.formats(folder), end="")
        return
    given = exports.read(template) if template is not None else None
    made = reporters.render(format_name, found, template=given, column=column)
    for line in made.told:
        print(printable(line, 400))
    known = reporters.FORMATS[format_name]
    target = Path(out) if out is not None else folder / known.file
    if known.file.endswith("/"):
        top = known.file
        within = {name.removeprefix(top): data for name, data in made.files.items()}
        _make(target)
        files.write_all(target, within)
    else:
        if target.is_dir():
            raise UsageError(f"--out {target}: that is a folder; name a file.")
        if not target.parent.is_dir():
            raise UsageError(f"--out {target}: there is no folder {target.parent}; make it first.")
        files.write(target, next(iter(made.files.values())))
    print(printable(str(target), 400))


def diff(run1: str, run2: str | None) -> None:
    """Print whose score changed, and which check did it; leaves with 0 if nothing changed, else 1."""
    from labgrader.batch import difference, store
    from labgrader.batch import folder as folders

    one, two = Path(run1), Path(run2) if run2 else None
    for path in (one, two):
        if path is not None:
            folders.must_be_a_run(path, "RUN")
    with store.opened(one, write=False) as old:
        if two is None:
            changes, names = difference.within(old), ("the former judging", "the last judging")
        else:
            with store.opened(two, write=False) as new:
                changes, names = difference.between(old, new), (str(one), str(two))
    print(difference.sentences(changes, names), end="")
    raise SystemExit(COMPARED_AS_DIFFERENT if any(change.is_one for change in changes) else 0)


def _graded(
    run: Path,
    setting: Setting,
    chosen: Provider,
    found: Class,
    workers: Lanes | Cluster,
    jobs: int,
    templates: dict[str, bytes],
    column: str | None,
) -> int:
    """The grading itself, in a folder that is ours alone; the exit status."""
    from labgrader.batch import store, tables
    from labgrader.batch.grading import Grading
    from labgrader.batch.progress import Progress
    from labgrader.intake.entries import known_before

    with store.opened(run, write=True) as kept:
        found = known_before(found, kept.given())
        kept.begin(_about(setting, found), _rows(found))
        progress = Progress(len(found.entries), sys.stderr)
        grading = Grading(setting, kept, workers, progress)
        try:
            grading.run(found.entries, jobs)
        except BaseException:
            _stop_quietly()
            workers.stop()
            raise
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
            progress.close()
            if grading.deaths:
                _clean(chosen)
        kept.tell({"finished": _now()})
        results = tables.results(kept)
        written, told = tables.write(kept, results, templates, column)
        kept.end(_now())
    _conclude(run, results, found, written, told)
    # Who is gone is not graded any more; what they stayed with would be told for ever.
    there = {entry.student for entry in found.entries}
    return 3 if any(row.status == "incomplete" and row.student in there for row in results.rows) else 0


def _must_be_of_the_lab(run: Path, lab: str) -> None:
    """Raise UsageError where the folder has the tables of another lab, which this one's would replace."""
    from labgrader.batch import store

    with store.opened(run, write=True) as kept:
        before = kept.about().get("lab", lab)
    if before != lab:
        raise UsageError(f"--out {run} has the results of {before}; name another folder for those of {lab}.")


def _workers(
    setting: Setting, chosen: Provider, jobs: int, scheduler: str | None
) -> tuple[Lanes | Cluster, int]:
    """Who grades, ready to: processes of this machine or a cluster's workers; and how many jobs at once.

    0 for as many as a cluster's workers take, whoever comes and goes.
    """
    if scheduler is not None:
        from labgrader.batch import cluster

        return cluster.connect(scheduler, setting), jobs
    from labgrader.batch import capacity
    from labgrader.batch.lanes import Lanes

    chosen.prepare()
    jobs = jobs or getattr(chosen, "default_jobs", None) or capacity.default_jobs(setting.lab)
    return Lanes(jobs), jobs


def _conclude(
    run: Path, results: ClassResults, found: Class, written: Sequence[str], told: Sequence[str]
) -> None:
    from labgrader.batch import tables

    print(tables.summary(results), end="")
    if found.strays:
        print("Belongs to no student, and was left out:")
    for stray in found.strays[: tables.LISTED]:
        print(f"  {printable(stray.source)}: {printable(stray.why, 300)}")
    if len(found.strays) > tables.LISTED:
        print(f"  … and {len(found.strays) - tables.LISTED} more.")
    for line in told:
        print(printable(line, 400))
    print(f"In {printable(str(run), 400)}: {', '.join(written)}, reports/")


def _about(setting: Setting, found: Class) -> dict[str, Any]:
    from labgrader.runner import rejected

    lab = setting.lab
    blank = rejected(lab, setting.parameters, setting.provider, "", "")
    return {
        "lab": lab.name,
        "title": lab.title,
        "possible": blank.possible,
        "provider": setting.provider,
        "parameters": dict(setting.parameters),
        "versions": dict(blank.versions),
        "started": _now(),
        "finished": "",
        "strays": [[stray.source, stray.why] for stray in found.strays],
    }


def _rows(found: Class) -> list[Any]:
    from labgrader.model.class_results import Row

    return [
        Row(
            student=entry.student,
            name=entry.name,
            email=entry.email,
            source=entry.source,
            keys=dict(entry.keys),
            late=entry.late,
            submitted=entry.submitted.isoformat() if entry.submitted is not None else None,
            notes=entry.notes,
            problem=entry.problem,
            origin=entry.origin,
        )
        for entry in found.entries
    ]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}; name a folder.") from error


def _clean(chosen: Provider) -> None:
    """What killed workers left of their labs; whether it can be removed decides nothing here."""
    with contextlib.suppress(LabError):
        for line in chosen.clean():
            _say(f"Removed {line}, left by a process that was killed.")


def _stop_quietly() -> None:
    """From here to the end takes moments; a second Ctrl-C must not leave a lab behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was hung up
        print(text, file=sys.stderr, flush=True)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
