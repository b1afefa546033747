"""Prove a lab: its reference scores full marks, and each mutant loses exactly what it says.

A mutant is a folder in labs/LAB/mutants/ with a wrong submission and mutant.yaml: `title`, `fails` and
`blocked` (check ids), and optionally `says`, words that a failed check's message must hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from labgrader.errors import LabgraderError, SpecError, SubmissionError, UsageError
from labgrader.intake.submission import Submission, collect
from labgrader.model.results import Outcome, Report, Status
from labgrader.model.spec import Lab
from labgrader.pool import grade_in_worker, workers
from labgrader.runner import Job, file_rules, rejected


class Mutant(BaseModel):
    """What mutant.yaml says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    fails: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    says: str | None = None


@dataclass(frozen=True)
class Finding:
    """One step of a proof: what was tried, whether it held, and if not, in a sentence, why not."""

    name: str
    holds: bool
    message: str
    ours: bool = False  # our machinery failed; the lab is neither proven nor refuted


def prove(
    lab: Lab,
    parameters: Mapping[str, int],
    provider_name: str,
    *,
    jobs: int,
    repeats: int = 3,
    only: str | None = None,
    every: int = 1,
    tell: Callable[[Finding], None] = lambda _: None,
) -> list[Finding]:
    """Run the whole proof, `jobs` labs at once, and return every finding in order.

    `repeats` is how often the reference is graded, each time with the checks in another order; `only`
    limits the mutants to those whose name holds the text, `every` to each n-th of them by name. Raises
    SpecError for a mutant.yaml that is wrong.
    """
    folders = sorted(path for path in (lab.folder / "mutants").glob("*/") if path.is_dir())
    mutants = {path.name: _read(path) for path in folders if not only or only in path.name}
    mutants = dict(list(mutants.items())[::every])
    if only and not mutants:
        raise UsageError(f"Lab {lab.name} has no mutant with {only!r} in its name.")
    findings = [] if only else [_prove_empty(lab, parameters, provider_name), *_prove_teeth(lab, mutants)]
    for finding in findings:
        tell(finding)
    with workers(jobs) as pool:

        def submit(path: Path, seed: int | None) -> Future[Report]:
            return pool.submit(
                grade_in_worker, Job(lab, _collect(lab, path), parameters, seed), provider_name
            )

        steps: list[tuple[Callable[[Report], Finding], Future[Report]]] = []
        if not only:
            for seed in range(1, repeats + 1):
                steps.append((_reference_judge(seed), submit(lab.folder / "reference", seed)))
        for number, (name, mutant) in enumerate(mutants.items()):
            steps.append((_mutant_judge(name, mutant), submit(lab.folder / "mutants" / name, number)))
        try:
            for judge, future in steps:
                finding = judge(future.result())
                tell(finding)
                findings.append(finding)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return findings


def _reference_judge(seed: int) -> Callable[[Report], Finding]:
    def judge(report: Report) -> Finding:
        name = f"reference, order {seed}"
        if report.full_marks:
            return Finding(name, True, f"{report.score:g} of {report.possible:g}")
        return _disagreement(name, report, set(), set())

    return judge


def _mutant_judge(name: str, mutant: Mutant) -> Callable[[Report], Finding]:
    def judge(report: Report) -> Finding:
        label = f"mutant {name}"
        finding = _disagreement(label, report, set(mutant.fails), set(mutant.blocked))
        if finding.holds and mutant.says:
            messages = [check.message for check in report.checks if check.outcome is Outcome.FAIL]
            if not any(mutant.says in message for message in messages):
                return Finding(
                    label, False, f"no failed check says {mutant.says!r}; they say: {' | '.join(messages)}"
                )
        return finding

    return judge


def _disagreement(name: str, report: Report, fails: set[str], blocked: set[str]) -> Finding:
    """Compare what was lost with what was to be lost; the sentence names each check that differs."""
    if report.status is not Status.GRADED:
        return Finding(
            name, False, f"{report.status.value}: {report.error}", ours=report.status is Status.INCOMPLETE
        )
    unknown = (fails | blocked) - {check.id for check in report.checks}
    if unknown:
        return Finding(name, False, f"its mutant.yaml names {_list(unknown)}, which is no check of this lab")
    lost = {check.id: check for check in report.checks if check.outcome is not Outcome.PASS}
    seen_fails = {name for name, check in lost.items() if check.outcome is Outcome.FAIL}
    seen_blocked = {name for name, check in lost.items() if check.outcome is Outcome.BLOCKED}
    if seen_fails == fails and seen_blocked == blocked:
        return Finding(
            name, True, f"{report.score:g} of {report.possible:g}; fails {_list(fails) or 'nothing'}"
        )
    words = []
    if not lost and (fails or blocked):
        words.append("it loses nothing: no check has teeth for it")
    missing = (fails | blocked) - set(lost)
    if missing and lost:
        words.append(f"does not lose {_list(missing)}")
    for check_id in sorted(set(lost) - fails - blocked):
        words.append(f"also loses {check_id} ({lost[check_id].outcome.value}: {lost[check_id].message})")
    for check_id in sorted((seen_fails & blocked) | (seen_blocked & fails)):
        outcome = lost[check_id].outcome.value
        expected = "fail" if check_id in fails else "blocked"
        words.append(f"{check_id} is {outcome} ({lost[check_id].message}), not {expected}")
    return Finding(name, False, "; ".join(words))


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
    return Finding("empty submission", False, f"was taken, with {_list(taken.files)}")


def _prove_teeth(lab: Lab, mutants: Mapping[str, Mutant]) -> list[Finding]:
    """Without a mutant nothing shows that a check can fail at all."""
    if mutants:
        return []
    said = f"{lab.folder / 'mutants'} holds none, so no check is known to have teeth"
    return [Finding("mutants", False, said)]


def _collect(lab: Lab, path: Path) -> Submission:
    try:
        return collect(path, file_rules(lab))
    except LabgraderError as error:
        raise SpecError(f"{path}: {error.message}") from error


def _read(folder: Path) -> Mutant:
    path = folder / "mutant.yaml"
    try:
        return Mutant.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        words = first["msg"]
        if first["type"] == "extra_forbidden":
            words = f"unknown key; a mutant.yaml has {', '.join(Mutant.model_fields)}"
        raise SpecError(f"{path}: {'.'.join(map(str, first['loc']))}: {words}.") from error


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
