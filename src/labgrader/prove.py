"""Prove a lab: the reference has full marks, each mutant loses what it says, and providers agree."""

from __future__ import annotations

import datetime
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labgrader import quarantine
from labgrader.errors import SubmissionError, UsageError
from labgrader.intake.submission import collect
from labgrader.model import spec
from labgrader.model.spec import Lab
from labgrader.providers import provider
from labgrader.proving import comparison, mutants
from labgrader.proving.findings import Finding, listed, of_mutant, of_reference
from labgrader.proving.record import Record
from labgrader.proving.steps import Maker, Memory, NoMemory, Step, planned, run
from labgrader.runner import file_rules, rejected

Tell = Callable[[Finding], None]


def makers(names: Sequence[str]) -> dict[str, Maker]:
    """The providers of these names, as `prove` takes them; UsageError for an unknown or a repeated one."""
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"The provider {repeated[0]} is named twice; a comparison needs two different ones.")
    for name in names:
        provider(name)
    return {name: functools.partial(provider, name) for name in names}


def prove(
    lab: Lab,
    parameters: Mapping[str, int],
    providers: Mapping[str, Maker],
    *,
    jobs: int = 0,
    repeats: int = 3,
    only: str | None = None,
    every: int = 1,
    memory: Memory | None = None,
    tell: Tell = lambda _: None,
) -> list[Finding]:
    """Run the whole proof on each provider and compare them, if they are several; every finding, in order.

    `jobs` is how many labs at once (0: as many as suits the provider); `repeats` how often the reference is
    graded, each time with the checks in another order; `only` limits the mutants to those whose name holds
    the text, `every` to each n-th of them by name; `memory` knows steps that were done before. A check on
    which providers differ is put into the lab's quarantine. Raises SpecError for a lab that is wrong.
    """
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        tell(finding)
        findings.append(finding)

    kept = quarantine.read(lab)
    wrong_ones = mutants.chosen(lab, only, every)
    if not only:
        found(_prove_empty(lab, parameters, next(iter(providers))))
        if not wrong_ones:
            said = f"{lab.folder / 'mutants'} holds none, so no check is known to have teeth"
            found(Finding("mutants", False, said))
    steps = planned(lab, wrong_ones, 0 if only else repeats)
    records: dict[str, dict[str, Record]] = {}
    for name, maker in providers.items():
        records[name] = run(
            steps,
            lab,
            parameters,
            name,
            maker,
            jobs=jobs,
            memory=memory or NoMemory(),
            tell=lambda step, seen, name=name: found(_judged(step, seen, name)),  # type: ignore[misc]
        )
    if len(records) > 1:
        full = not only and every == 1 and bool(wrong_ones) and parameters == spec.parameters(lab, {})
        kept = _compare(lab, steps, records, kept, full, found)
    for seen in records[next(iter(records))].values():
        if seen.checks:
            quarantine.must_fit(lab, kept, {told.id: told.points for told in seen.checks})
            break
    return findings


def _compare(
    lab: Lab,
    steps: Sequence[Step],
    records: Mapping[str, Mapping[str, Record]],
    kept: quarantine.Quarantine,
    full: bool,
    found: Tell,
) -> quarantine.Quarantine:
    today = datetime.datetime.now(datetime.UTC).date()
    compared = comparison.compare(steps, records, today)
    for finding in compared.findings:
        found(finding)
    new = quarantine.merged(kept, compared.differing, frozenset(records) if full and compared.whole else None)
    quarantine.write(lab, new)
    # What is in it now, not what changed: a run that goes on after a break must come to the same findings.
    said = f"{listed(new)}, worth nothing while providers disagree" if new else "nothing is in it"
    found(Finding("quarantine", True, said, provider=" and ".join(records)))
    return new


def _judged(step: Step, seen: Record, provider_name: str) -> Finding:
    if step.mutant is None:
        return of_reference(step.name, seen, provider_name)
    return of_mutant(step.name, step.mutant, seen, provider_name)


def _prove_empty(lab: Lab, parameters: Mapping[str, int], provider_name: str) -> Finding:
    """An empty submission is refused in words, and scores what lab.yaml declares."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "empty"
        folder.mkdir()
        try:
            taken = collect(folder, file_rules(lab))
        except SubmissionError as error:
            report = rejected(lab, parameters, provider_name, "empty", error.message)
            holds = report.score == lab.submission.empty_score
            said = f"{report.score:g} of {report.possible:g}; {error.message}"
            return Finding("empty submission", holds, said)
    return Finding("empty submission", False, f"was taken, with {listed(taken.files)}")
