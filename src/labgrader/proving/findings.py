"""What a record says of a lab: whether the reference and each mutant lose exactly what they should. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labgrader.model.results import Outcome, Status
from labgrader.proving.mutants import Mutant
from labgrader.proving.record import Record


@dataclass(frozen=True)
class Finding:
    """One step of a proof: what was tried, whether it held, and if not, in a sentence, why not.

    provider: where it was tried, or both names for a comparison; empty where no machine is needed.
    """

    name: str
    holds: bool
    message: str
    ours: bool = False  # our machinery failed; the lab is neither proven nor refuted
    provider: str = ""
    seconds: float = 0.0


def of_reference(name: str, record: Record, provider: str) -> Finding:
    """The reference must have full marks."""
    if record.full_marks:
        said = f"{record.score:g} of {record.possible:g}"
        return Finding(name, True, said, provider=provider, seconds=record.seconds)
    return _compared(name, record, set(), set(), provider)


def of_mutant(name: str, mutant: Mutant, record: Record, provider: str) -> Finding:
    """A mutant must lose the checks that it names, no others, and be told why."""
    finding = _compared(name, record, set(mutant.fails), set(mutant.blocked), provider)
    if finding.holds and mutant.says:
        messages = [told.message for told in record.checks if told.outcome is Outcome.FAIL]
        if not any(mutant.says in message for message in messages):
            said = f"no failed check says {mutant.says!r}; they say: {' | '.join(messages)}"
            return Finding(name, False, said, provider=provider, seconds=record.seconds)
    return finding


def _compared(name: str, record: Record, fails: set[str], blocked: set[str], provider: str) -> Finding:
    message = None
    if record.status is not Status.GRADED:
        message = f"{record.status.value}: {record.error}"
    elif unknown := (fails | blocked) - {told.id for told in record.checks}:
        message = f"its mutant.yaml names {listed(unknown)}, which is no check of this lab"
    else:
        message = _disagreement(record, fails, blocked)
    if message is None:
        said = f"{record.score:g} of {record.possible:g}; fails {listed(fails) or 'nothing'}"
        return Finding(name, True, said, provider=provider, seconds=record.seconds)
    return Finding(name, False, message, record.incomplete, provider, record.seconds)


def _disagreement(record: Record, fails: set[str], blocked: set[str]) -> str | None:
    """Compare what was lost with what was to be lost; the sentence names each check that differs."""
    lost = {told.id: told for told in record.checks if told.outcome is not Outcome.PASS}
    seen_fails = {name for name, told in lost.items() if told.outcome is Outcome.FAIL}
    seen_blocked = {name for name, told in lost.items() if told.outcome is Outcome.BLOCKED}
    if seen_fails == fails and seen_blocked == blocked:
        return None
    words = []
    if not lost and (fails or blocked):
        words.append("it loses nothing: no check has teeth for it")
    missing = (fails | blocked) - set(lost)
    if missing and lost:
        words.append(f"does not lose {listed(missing)}")
    for check_id in sorted(set(lost) - fails - blocked):
        words.append(f"also loses {check_id} ({lost[check_id].outcome.value}: {lost[check_id].message})")
    for check_id in sorted((seen_fails & blocked) | (seen_blocked & fails)):
        outcome = lost[check_id].outcome.value
        expected = "fail" if check_id in fails else "blocked"
        words.append(f"{check_id} is {outcome} ({lost[check_id].message}), not {expected}")
    return "; ".join(words)


def listed(names: Iterable[str]) -> str:
    """Names as one text, sorted."""
    return ", ".join(sorted(names))
