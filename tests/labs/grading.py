"""Grade in a worker process, and look from outside at what the graded labs left on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labgrader.intake.submission import Submission, collect
from labgrader.model import spec
from labgrader.model.limits import Limits
from labgrader.model.results import Outcome, Report
from labgrader.model.topology import Topology
from labgrader.providers import RunningLab, provider
from labgrader.providers.groundwork import Groundwork
from labgrader.providers.netns import cgroups, runtime
from labgrader.runner import Job, file_rules, grade


@dataclass(frozen=True)
class Graded:
    """A report, the ids of the labs that it took, and what of theirs was still there when it was done."""

    report: Report
    labs: tuple[str, ...]
    remains: tuple[str, ...]


@dataclass
class _Noting:
    """The provider, noting the ids of the labs that it makes."""

    name: str = "netns"
    labs: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        provider(self.name).prepare()

    def start(self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None) -> RunningLab:
        lab = provider(self.name).start(topology, limits, groundwork)
        self.labs.append(lab.lab_id)  # type: ignore[attr-defined]
        return lab

    def clean(self) -> list[str]:
        return []


def grade_program(lab_name: str, program: Path, seed: int | None = None) -> Graded:
    """Grade the file `program` as the lab's tcp_server.py, or the folder `program` as it is."""
    lab = spec.find(lab_name)
    if program.is_dir():
        submission = collect(program, file_rules(lab))
    else:
        submission = Submission(program.stem, {"tcp_server.py": program.read_bytes()}, "sha256:0")
    noting = _Noting()
    report = grade(Job(lab, submission, spec.parameters(lab, {}), seed), noting)
    return Graded(report, tuple(noting.labs), tuple(remains(noting.labs)))


def remains(labs: list[str]) -> list[str]:
    """Processes, folders and control groups of these labs."""
    found = [str(path) for path in cgroups.leftovers() if any(lab in path.name for lab in labs)]
    for lab in labs:
        found += [str(path) for path in runtime.root().glob(f"{lab}*")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
                groups = (entry / "cgroup").read_bytes()
            except OSError:
                continue
            if any(lab.encode() in words + groups for lab in labs):
                found.append(f"process {entry.name}: {words[:80]!r}")
    return found


def lost(report: Report) -> dict[str, list[str]]:
    """The ids of the checks that failed and that were blocked, in the report's order."""
    return {
        "fails": [check.id for check in report.checks if check.outcome is Outcome.FAIL],
        "blocked": [check.id for check in report.checks if check.outcome is Outcome.BLOCKED],
    }


def told(report: Report) -> str:
    """All that a failing test must say about a report."""
    lines = [f"{report.status.value} {report.score}: {report.error or ''}"]
    lines += [f"  given up before: {why}" for why in report.retried]
    for check in report.checks:
        lines.append(f"  {check.id}: {check.outcome.value} {check.message}")
        lines += [f"    {item.title}: {item.text[:500]}" for item in check.evidence if check.message]
    return "\n".join(lines)
