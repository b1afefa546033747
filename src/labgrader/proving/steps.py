"""The steps of a proof on one provider: graded side by side, told in order, each kept when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labgrader.errors import LabError, LabgraderError, SpecError
from labgrader.intake.submission import Submission, collect
from labgrader.model.spec import Lab
from labgrader.pool import default_jobs, for_worker, workers
from labgrader.providers import Provider
from labgrader.proving import record
from labgrader.proving.mutants import Mutant
from labgrader.proving.record import Record
from labgrader.runner import Job, file_rules, grade

Maker = Callable[
    [], Provider
]  # goes to a worker process, so it is a function of a module or a partial of one


@dataclass(frozen=True)
class Step:
    """One submission to be graded; `mutant` is None for the reference. The same seed on every provider."""

    name: str
    folder: Path
    seed: int
    mutant_name: str | None = None
    mutant: Mutant | None = None


class Memory(Protocol):
    """What is known of steps that were done before, by provider and step."""

    def recall(self, provider: str, step: str) -> Record | None: ...

    def keep(self, provider: str, step: str, seen: Record) -> None: ...


class NoMemory:
    """Every step is new."""

    def recall(self, provider: str, step: str) -> Record | None:
        return None

    def keep(self, provider: str, step: str, seen: Record) -> None:
        return None


def planned(lab: Lab, mutants: Mapping[str, Mutant], repeats: int) -> list[Step]:
    """The reference `repeats` times, each time with the checks in another order, then each mutant."""
    reference = [
        Step(f"reference, order {seed}", lab.folder / "reference", seed) for seed in range(1, repeats + 1)
    ]
    return reference + [
        Step(f"mutant {name}", lab.folder / "mutants" / name, number, name, mutant)
        for number, (name, mutant) in enumerate(mutants.items())
    ]


def run(
    steps: Sequence[Step],
    lab: Lab,
    parameters: Mapping[str, int],
    provider: str,
    maker: Maker,
    *,
    jobs: int,
    memory: Memory,
    tell: Callable[[Step, Record], None],
) -> dict[str, Record]:
    """Grade what `memory` does not know, `jobs` labs at once (0: what suits the provider); by step name.

    `tell` is called for every step, in order. Raises SpecError for a lab or a mutant that cannot be graded,
    LabError where a worker process was ended.
    """
    known = {step.name: seen for step in steps if (seen := memory.recall(provider, step.name)) is not None}
    missing = [step for step in steps if step.name not in known]
    waiting = list(steps)

    def tell_on() -> None:
        while waiting and waiting[0].name in known:
            step = waiting.pop(0)
            tell(step, known[step.name])

    tell_on()
    if not missing:
        return known
    submissions = [_collect(lab, step.folder) for step in missing]
    most = jobs or getattr(maker(), "default_jobs", None) or default_jobs()
    with workers(min(most, len(missing))) as pool:
        try:
            futures: dict[Future[Record], Step] = {}
            for step, submission in zip(missing, submissions, strict=True):
                job = Job(lab, submission, parameters, step.seed, all_count=True)
                futures[pool.submit(_graded, job, maker)] = step
            pending = set(futures)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    step, seen = futures[future], future.result()
                    known[step.name] = seen
                    if not seen.incomplete:  # what we failed at is not done
                        memory.keep(provider, step.name, seen)
                tell_on()
        except BrokenProcessPool as error:
            raise LabError(f"A worker process of the proof of {lab.name} on {provider} was ended.") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return known


@for_worker
def _graded(job: Job, maker: Maker) -> Record:
    return record.of(grade(job, maker()))


def _collect(lab: Lab, path: Path) -> Submission:
    try:
        return collect(path, file_rules(lab))
    except LabgraderError as error:
        raise SpecError(f"{path}: {error.message}") from error
