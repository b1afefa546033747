"""Grade one submission: the one lifecycle of a lab, from create to destroy.

The grader forks the session (session.py) first, so that it loads while the hosts come up, and watches it
with a deadline. Whatever happens, the lab is destroyed and there is a report.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import labgrader
from labgrader import quarantine, session, session_process
from labgrader.errors import LabError, SpecError
from labgrader.groundwork import LabGroundwork
from labgrader.intake.submission import FileRule, Submission
from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status, status_of
from labgrader.model.spec import Lab
from labgrader.model.topology import topology
from labgrader.providers import Provider, RunningLab
from labgrader.session_process import SessionProcess

ATTEMPTS = 2


@dataclass(frozen=True)
class Job:
    """One submission to be graded on one lab; plain data."""

    lab: Lab
    submission: Submission
    parameters: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None
    all_count: bool = False  # take no notice of the lab's quarantine: a proof wants every verdict


@dataclass
class _Seen:
    """What a session has said so far."""

    planned: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, CheckResult] = field(default_factory=dict)
    broken: tuple[str, str] | None = None
    done: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def grade(
    job: Job,
    provider: Provider,
    *,
    attempts: int = ATTEMPTS,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Grade `job` on a fresh lab; once more on another fresh one if the first left errors of ours.

    Raises SpecError for a lab that its author must mend. Everything else is in the report.
    """
    started = _now()
    quarantined = {} if job.all_count else quarantine.read(job.lab)
    given_up: list[str] = []
    for attempt in range(1, attempts + 1):
        report = _attempt(job, provider, started, quarantined, progress)
        if report.status is not Status.INCOMPLETE or attempt == attempts:
            return dataclasses.replace(report, retried=tuple(given_up))
        given_up.append(_first_error(report))
        progress(f"Our side failed ({_first_error(report)}); trying once more on a fresh lab…")
    raise AssertionError("attempts is at least 1")


def file_rules(lab: Lab) -> dict[str, FileRule]:
    """What the lab asks for, as `submission.collect` takes it."""
    return {
        name: FileRule(required=rule.required, max_bytes=rule.max_kb * 1024)
        for name, rule in lab.submission.files.items()
    }


def rejected(lab: Lab, parameters: Mapping[str, int], provider: str, student: str, why: str) -> Report:
    """The report for a submission that could not be used at all."""
    now = _now()
    return Report(
        lab=lab.name,
        lab_digest=lab.digest,
        provider=provider,
        parameters=parameters,
        student=student,
        submission_digest=None,
        possible=round(lab.points - quarantine.worth(quarantine.read(lab)), 6),
        status=Status.REJECTED,
        rejected_score=lab.submission.empty_score,
        error=why,
        started=now,
        finished=now,
        versions=_versions(),
    )


def _attempt(
    job: Job,
    provider: Provider,
    started: str,
    quarantined: quarantine.Quarantine,
    progress: Callable[[str], None],
) -> Report:
    seen = _Seen()
    lab: RunningLab | None = None
    with tempfile.TemporaryFile() as log:
        child = session_process.start(functools.partial(_run_session, job), log.fileno())
        try:
            begun = time.monotonic()
            plan = topology(job.lab)
            groundwork = LabGroundwork(job.lab, plan, job.parameters)
            lab = provider.start(plan, job.lab.limits, groundwork)
            lease = lab.ready()
            seen.held, seen.versions = lease.held, lease.versions
            seen.timings["create_s"] = time.monotonic() - begun
            child.hand_over(session.lease_json(lease))
            # Only now: how long machines take to be made is not the student's time.
            deadline = time.monotonic() + job.lab.limits.wall_s
            _listen(child, seen, deadline, job.lab.limits.wall_s)
        except LabError as error:
            seen.broken = ("lab", error.message)
        except OSError as error:
            seen.broken = ("lab", f"this machine: {error}; run ./lab doctor")
        finally:
            child.end()
            begun = time.monotonic()
            if lab is not None:
                _destroy(lab, progress)
            seen.timings["destroy_s"] = time.monotonic() - begun
        if seen.broken and seen.broken[0] == "spec":
            raise SpecError(seen.broken[1])
        told = _account_for(seen, _tail(log))
        checks, notes, possible = quarantine.applied(job.lab, quarantined, told)
    limits = {
        name: {"value": value, "held_by": seen.held.get(name, "the grader")}
        for name, value in job.lab.limits.model_dump().items()
    }
    status = Status.INCOMPLETE if seen.broken or not seen.done else status_of(checks)
    return Report(
        lab=job.lab.name,
        lab_digest=job.lab.digest,
        provider=provider.name,
        parameters=job.parameters,
        student=job.submission.student,
        submission_digest=job.submission.digest,
        possible=possible,
        status=status,
        checks=checks,
        error=_why_incomplete(seen, checks) if status is Status.INCOMPLETE else None,
        notes=(*job.submission.notes, *notes),
        limits=limits,
        timings=seen.timings,
        started=started,
        finished=_now(),
        versions=_versions(seen.versions),
    )


def _destroy(lab: RunningLab, progress: Callable[[str], None]) -> None:
    # What was judged stays judged, though its machines could not be put away.
    try:
        lab.destroy()
    except (LabError, OSError) as error:
        progress(f"The lab's machines could not be put away: {error}. Afterwards run: ./lab clean")


def _run_session(job: Job, lease_fd: int, event_fd: int) -> None:
    session.run(
        job.lab,
        topology(job.lab),
        job.parameters,
        job.submission.files,
        job.seed,
        lease_fd,
        event_fd,
    )


def _listen(child: SessionProcess, seen: _Seen, deadline: float, wall_s: float) -> None:
    try:
        for line in child.lines(deadline):
            _take(seen, json.loads(line))
    except TimeoutError:
        seen.broken = ("lab", f"the checks did not end within the lab's {wall_s:.0f} s")


def _take(seen: _Seen, event: dict[str, Any]) -> None:
    kind = event.pop("event")
    if kind == "check":
        event["outcome"] = Outcome(event["outcome"])
        event["evidence"] = tuple(Evidence(**item) for item in event["evidence"])
        seen.results[event["id"]] = CheckResult(**event)
    elif kind == "planned":
        seen.planned = event["checks"]
    elif kind == "applied":
        seen.timings["apply_s"] = event["seconds"]
    elif kind == "done":
        seen.timings["checks_s"] = event["seconds"]
        seen.versions = {**seen.versions, **event["versions"]}
        seen.done = True
    elif kind == "broken":
        seen.broken = (event["kind"], event["message"])


def _account_for(seen: _Seen, log: str) -> list[CheckResult]:
    """Every planned check's result; one that was never told is an error of ours."""
    if not seen.done and seen.broken is None:
        words = f": {log}" if log else ""
        seen.broken = ("lab", f"the checks' process ended before it was done{words}")
    checks = list(seen.results.values())
    for plan in seen.planned:
        if plan["id"] not in seen.results:
            why = seen.broken[1] if seen.broken else "it never reported"
            checks.append(
                CheckResult(
                    plan["id"],
                    plan["title"],
                    plan["points"],
                    Outcome.ERROR,
                    f"Not judged: {why}",
                    hidden=plan["hidden"],
                )
            )
    places = {plan["id"]: place for place, plan in enumerate(seen.planned)}
    return sorted(checks, key=lambda check: places[check.id])


def _why_incomplete(seen: _Seen, checks: Sequence[CheckResult]) -> str:
    if seen.broken:
        return seen.broken[1]
    errors = [check for check in checks if check.outcome is Outcome.ERROR and not check.quarantined]
    # One that merely builds on another error says nothing new.
    roots = [check for check in errors if check.blocked_by is None] or errors
    return "; ".join(f"{check.id}: {check.message}" for check in roots)


def _first_error(report: Report) -> str:
    return (report.error or "").split("\n")[0][:200]


def _tail(log: Any) -> str:
    log.seek(0)
    return str(log.read()[-600:].decode("utf-8", "replace").strip().replace("\n", " / "))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _versions(libraries: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        "labgrader": labgrader.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        **(libraries or {}),
    }
