"""Whether providers agree: the same submission must have the same verdict, check by check, on each. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from labgrader.proving.findings import Finding
from labgrader.proving.record import Record, Told
from labgrader.proving.steps import Step
from labgrader.quarantine import Entry, Seen

ABSENT = "absent"


@dataclass(frozen=True)
class Compared:
    """A finding for each step and check that differs; what goes into quarantine; whether all was compared."""

    findings: tuple[Finding, ...]
    differing: Mapping[str, Entry]
    whole: bool


def compare(
    steps: Sequence[Step], records: Mapping[str, Mapping[str, Record]], today: datetime.date
) -> Compared:
    """Compare outcomes, not words or times; `records` by provider and step name.

    A step that our machinery failed at on one provider says nothing of its checks.
    """
    name = " and ".join(records)
    findings: list[Finding] = []
    differing: dict[str, Entry] = {}
    whole = True
    for step in steps:
        seen = {provider: known.get(step.name) for provider, known in records.items()}
        usable = {key: one for key, one in seen.items() if one is not None and not one.incomplete}
        if len(usable) < len(seen):
            whole = False
            failed = ", ".join(provider for provider in seen if provider not in usable)
            words = f"cannot be compared, because it could not be graded on {failed}"
            findings.append(Finding(step.name, False, words, ours=True, provider=name))
            continue
        told = {provider: {check.id: check for check in one.checks} for provider, one in usable.items()}
        ids = list(dict.fromkeys(check for checks in told.values() for check in checks))
        before = len(findings)
        for check in ids:
            verdicts = {provider: checks.get(check) for provider, checks in told.items()}
            outcomes = {provider: _outcome(one) for provider, one in verdicts.items()}
            if len(set(outcomes.values())) == 1:
                continue
            words = "; ".join(_words(provider, one) for provider, one in verdicts.items())
            findings.append(Finding(f"{step.name}, {check}", False, words, provider=name))
            points = next(one.points for one in verdicts.values() if one is not None)
            entry = Entry(points=points, since=today, mutant=step.mutant_name, outcomes=outcomes)
            differing.setdefault(check, entry)
        if len(findings) == before:
            words = f"the same on all {len(ids)} checks"
            findings.append(Finding(step.name, True, words, provider=name))
    return Compared(tuple(findings), differing, whole)


def _outcome(told: Told | None) -> Seen:
    return cast(Seen, ABSENT if told is None else told.outcome.value)


def _words(provider: str, told: Told | None) -> str:
    return f"{provider}: {_outcome(told)}" + (f" ({told.message})" if told and told.message else "")
