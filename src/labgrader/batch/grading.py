"""Grade a class: every entry that has no final report yet, side by side, each kept the moment it is there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from labgrader.batch import work
from labgrader.batch.progress import Progress
from labgrader.batch.store import Key, Store
from labgrader.batch.work import Setting, Task
from labgrader.errors import LabError, LabgraderError, SpecError, SubmissionError
from labgrader.intake.entries import collect
from labgrader.intake.entry import Entry
from labgrader.intake.submission import Submission
from labgrader.model import spec
from labgrader.model.results import Report, Status
from labgrader.runner import ATTEMPTS, Job, file_rules, rejected

TICK_S = 0.2
DEATHS = 2  # of a worker over one job; then it is incomplete
# Beyond what the lab's own limit allows: to make and remove the machines.
PATIENCE_S = {"netns": 120.0}
OTHERS_PATIENCE_S = 3600.0
HOPELESS = 5  # so many incomplete and none final: not the students' machines, ours; trying again is no use


@dataclass(frozen=True)
class _Flight:
    """A submission on its way through a worker."""

    entry: Entry
    submission: Submission
    key: Key
    deaths: int = 0
    patience: float = 0.0
    deadline: float = 0.0
    overdue: bool = False


class Grading:
    """One grading of one class. The store is written here and nowhere else while it lasts."""

    def __init__(self, setting: Setting, store: Store, executor: Executor, progress: Progress) -> None:
        self._setting = setting
        self._store = store
        self._executor = executor
        self._progress = progress
        self._rules = file_rules(setting.lab)
        self._finals = 0
        self.deaths = 0

    def run(self, entries: Sequence[Entry], jobs: int) -> None:
        """Grade all entries without a problem, at most `jobs` at once, and incomplete ones again with fewer.

        Raises SpecError for a lab that its author must mend or has changed meanwhile, LabError if RUN cannot
        be written. What was kept before that is kept.
        """
        for entry in entries:
            if entry.problem is not None:
                self._progress.settled(entry.student, None, graded=False)
        left = self._pass([entry for entry in entries if entry.problem is None], jobs)
        for fewer in quieter(self._room(jobs)):
            if not left:
                return
            if not self._finals and len(left) >= HOPELESS:
                self._progress.say(f"All {len(left)} are incomplete; none is tried again.")
                return
            at_once = "one at a time" if fewer == 1 else f"{fewer} at once"
            self._progress.say(f"{len(left)} incomplete; trying again, {at_once}…")
            left = self._pass(left, fewer)

    def _pass(self, entries: Iterable[Entry], jobs: int) -> list[Entry]:
        """Grade these once; those that stay incomplete."""
        waiting = deque(entries)
        again: deque[_Flight] = deque()
        flying: dict[Future[dict[str, Any]], _Flight] = {}
        incomplete: list[Entry] = []
        while waiting or again or flying:
            while (waiting or again) and len(flying) < self._room(jobs):
                entry = again[0].entry if again else waiting[0]
                ready = again.popleft() if again else self._prepared(waiting.popleft())
                if isinstance(ready, _Flight):
                    future, flight = self._launch(ready)
                    flying[future] = flight
                elif ready.status is Status.INCOMPLETE:
                    incomplete.append(entry)
                self._tick()
            done, _ = wait(flying, timeout=TICK_S, return_when=FIRST_COMPLETED)
            for future in done:
                flight = flying.pop(future)
                report = self._report_of(future, flight)
                if report is None:
                    again.append(replace(flight, deaths=flight.deaths + 1))
                elif self._keep(flight, report).status is Status.INCOMPLETE:
                    incomplete.append(flight.entry)
            self._end_overdue(flying)
            self._tick()
        return incomplete

    def _room(self, jobs: int) -> int:
        """How many at once: as asked for, but on a cluster as many as its workers take, at most."""
        places: int | None = getattr(self._executor, "places", None)
        return jobs if places is None else min(jobs or places, places)

    def _tick(self) -> None:
        for line in self._executor.news() if hasattr(self._executor, "news") else ():
            self._progress.say(line)
        self._progress.tick()

    def _prepared(self, entry: Entry) -> _Flight | Report:
        """The entry's submission; or its report, where there is a final one or nothing can be graded."""
        try:
            submission = collect(entry, self._rules)
        except SubmissionError as error:
            return self._refuse(entry, error.message)
        except LabError as error:
            return self._fail(entry, error.message)
        key = self._setting.key(submission.digest)
        if (known := self._known(entry, key)) is not None:
            self._finals += 1
            self._store.settle(entry.student)
            self._progress.settled(entry.student, known, graded=False)
            return known
        return _Flight(entry, submission, key)

    def _fail(self, entry: Entry, why: str) -> Report:
        """Its files could not be read by us: no score, whatever they hold, and another try."""
        newest = self._store.newest(entry.student)
        # As far as we know they are what they were.
        known = newest.key.submission if newest is not None else work.digest_of_refusal(why)
        report = work.unfinished(self._setting, Submission(entry.student, {}, known), why)
        report = replace(report, submission_digest=None)
        self._store.keep(entry.student, self._setting.key(known), report.to_json(), settled=True)
        self._progress.settled(entry.student, report, graded=False)
        return report

    def _refuse(self, entry: Entry, why: str) -> Report:
        key = self._setting.key(work.digest_of_refusal(why))
        report = self._known(entry, key)
        if report is None:
            lab, parameters = self._setting.lab, self._setting.parameters
            report = rejected(lab, parameters, self._setting.provider, entry.student, why)
            self._store.keep(entry.student, key, report.to_json(), settled=True)
        else:
            self._store.settle(entry.student)
        self._progress.settled(entry.student, report, graded=False)
        return report

    def _known(self, entry: Entry, key: Key) -> Report | None:
        """The final report for the key, made the newest if it is not: someone went back to older files."""
        known = self._store.final(entry.student, key)
        if known is None:
            return None
        newest = self._store.newest(entry.student)
        if newest is not None and newest.number != known.number:
            self._store.keep(entry.student, key, known.report.to_json(), settled=True)
        return known.report

    def _launch(self, flight: _Flight) -> tuple[Future[dict[str, Any]], _Flight]:
        lab, provider = self._setting.lab, self._setting.provider
        task = Task(Job(lab, flight.submission, self._setting.parameters), provider)
        patience = ATTEMPTS * (lab.limits.wall_s + PATIENCE_S.get(provider, OTHERS_PATIENCE_S))
        future = self._executor.submit(work.work, task)
        deadline = time.monotonic() + patience
        return future, replace(flight, patience=patience, deadline=deadline, overdue=False)

    def _report_of(self, future: Future[dict[str, Any]], flight: _Flight) -> Report | None:
        """What came of a flight; None if its worker died and it is to be done again."""
        try:
            failure = future.exception()
        except CancelledError as error:
            failure = error
        if failure is None:
            answer: Mapping[str, Any] = future.result()
            if "spec" in answer:
                raise SpecError(str(answer["spec"]))
            try:
                report = Report.from_json(answer["report"])
                report.to_json()  # what cannot be kept is no report, either
                return report
            except (
                Exception
            ) as error:  # another machine's answer may be anything; it is that job's fault alone
                why = str(answer.get("fault", f"its worker gave no report that can be read: {error}"))
                return work.unfinished(self._setting, flight.submission, why)
        if isinstance(failure, LabError):
            raise failure
        self.deaths += 1
        how = "did not come to its end in time" if flight.overdue else "was ended"
        if flight.deaths + 1 < DEATHS:
            self._progress.say(f"The worker that graded {flight.entry.student} {how}; doing it again.")
            return None
        words = f": {failure}" if str(failure) else ""
        why = f"The worker process that graded it {how}, {DEATHS} times ({type(failure).__name__}{words})."
        return work.unfinished(self._setting, flight.submission, why)

    def _keep(self, flight: _Flight, report: Report) -> Report:
        self._must_be_unchanged()
        student = flight.entry.student
        self._finals += report.status is not Status.INCOMPLETE
        self._store.keep(student, flight.key, report.to_json(), settled=True)
        self._progress.settled(student, report, graded=True)
        return report

    def _must_be_unchanged(self) -> None:
        """Checks are read anew for each submission; a report of other ones would bear the wrong digest."""
        lab = self._setting.lab
        try:
            same = spec.digest_of(lab.folder) == lab.digest
        except (OSError, LabgraderError):
            same = False
        if not same:
            raise SpecError(
                f"{lab.folder} was changed while it was being graded. Call the same command again: what was "
                f"graded before the change is graded anew."
            )

    def _end_overdue(self, flying: dict[Future[dict[str, Any]], _Flight]) -> None:
        for future, flight in flying.items():
            # On a cluster a job may wait here for a worker that pauses: its time has not begun.
            if hasattr(self._executor, "waits") and self._executor.waits(future):
                flying[future] = replace(flight, deadline=time.monotonic() + flight.patience)
            elif not flight.overdue and time.monotonic() > flight.deadline:
                flying[future] = replace(flight, overdue=True)
                end = getattr(self._executor, "end", Future.cancel)
                end(future)


def quieter(jobs: int) -> list[int]:
    """How many labs at once the incomplete ones are tried again with, pass by pass.

    >>> quieter(8), quieter(2), quieter(1)
    ([4, 1], [1], [1])
    """
    return [jobs // 2, 1] if jobs > 3 else [1]
