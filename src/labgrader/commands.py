"""What each command does, and its exit status; the tasks only read arguments."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from labgrader.errors import SubmissionError, UsageError
from labgrader.model import spec
from labgrader.model.results import Report, exit_status


def list_labs() -> None:
    """Print a line for each lab."""
    labs = [spec.find(name) for name in spec.lab_names()]
    machines = {lab.name: ", ".join(host.hostname for host in lab.hosts.values()) for lab in labs}
    name_width, width = max(map(len, machines)), max(map(len, machines.values()))
    for lab in labs:
        print(f"{lab.name:{name_width}}  {lab.points:4g} points  {machines[lab.name]:{width}}  {lab.title}")


def check(
    lab_name: str, submission_path: str, provider_name: str, settings: list[str], json_path: str | None
) -> None:
    """Grade one submission; prints the feedback and leaves with the contract's exit status."""
    from labgrader.reporters.terminal import feedback

    lab = spec.find(lab_name)
    parameters = spec.parameters(lab, _settings(settings))
    if json_path is not None:
        _must_be_writable(Path(json_path))
    report = _graded(lab, parameters, submission_path, provider_name)
    if json_path is not None:
        _write_json(Path(json_path), report.to_json())
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(feedback(report, title=lab.title, colour=colour), end="")
    raise SystemExit(exit_status(report))


def prove(
    lab_name: str | None, provider_name: str, jobs: int, repeats: int, only: str | None, settings: list[str]
) -> None:
    """Prove one lab or all; exit 0 if every finding holds, 2 for a lab to mend, 3 if we failed."""
    from labgrader import pool
    from labgrader.prove import Finding
    from labgrader.prove import prove as prove_lab
    from labgrader.providers import provider

    if repeats < 1:
        raise UsageError("--repeats 0: the reference must be graded at least once.")
    provider(provider_name).prepare()
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        print(f"{'  ok ' if finding.holds else 'WRONG'}  {finding.name}: {finding.message}", flush=True)

    for name in [lab_name] if lab_name else spec.lab_names():
        lab = spec.find(name)
        print(f"{lab.name}: {lab.title}", flush=True)
        findings += prove_lab(
            lab,
            spec.parameters(lab, _settings(settings)),
            provider_name,
            jobs=jobs or pool.default_jobs(),
            repeats=repeats,
            only=only,
            tell=tell,
        )
    wrong = [finding for finding in findings if not finding.holds]
    print(f"{len(findings) - len(wrong)} of {len(findings)} hold.")
    if wrong:
        raise SystemExit(3 if any(finding.ours for finding in wrong) else 2)


def doctor(fix: bool, provider_name: str | None) -> None:
    """Check this machine, and mend what is ours to mend if `fix`; leaves with 0 if it can be used."""
    from labgrader import doctor as doctors

    raise SystemExit(doctors.run(fix, provider_name))


def clean() -> None:
    """Remove what killed runs left behind, of every provider; a line for each thing removed."""
    from labgrader.providers import NAMES, provider

    removed = [line for name in NAMES for line in provider(name).clean()]
    for line in removed:
        print(f"Removed {line}")
    if not removed:
        print("Nothing was left behind.")


def test(keyword: str | None, paths: list[str], fast: bool) -> None:
    """Run the project's tests; leaves with 0, or 1 if one failed. What stands after `--` is pytest's."""
    from labgrader.develop import developer

    # Taken from the command line itself: invoke's remainder has lost where each word ends.
    rest = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    raise SystemExit(developer.test(keyword, paths, rest, fast=fast))


def bench(runs: int, json_path: str | None) -> None:
    """Measure a check against the bare script and print what was found; missing the budget is no failure."""
    from labgrader.develop import benchmark

    if runs < 1:
        raise UsageError("--runs 0: at least one pair must be measured.")
    if json_path is not None:
        _must_be_writable(Path(json_path))
    found = benchmark.measure(runs)
    if json_path is not None:
        _write_json(Path(json_path), found)
    print(benchmark.sentences(found), end="")


def lint() -> None:
    """Run the linters; leaves with 0, or 1 if one has something to say."""
    from labgrader.develop import developer

    raise SystemExit(developer.lint())


def _graded(lab: spec.Lab, parameters: dict[str, int], submission_path: str, provider_name: str) -> Report:
    from labgrader import runner
    from labgrader.intake import submission
    from labgrader.providers import provider

    chosen = provider(provider_name)
    path = lab.folder / "reference" if submission_path == "reference" else Path(submission_path)
    try:
        collected = submission.collect(path, runner.file_rules(lab))
    except SubmissionError as error:
        return runner.rejected(lab, parameters, provider_name, submission.student_id(path), error.message)
    chosen.prepare()
    job = runner.Job(lab, collected, parameters)
    return runner.grade(job, chosen, progress=lambda text: print(text, file=sys.stderr))


def _settings(items: list[str]) -> dict[str, str]:
    settings = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item}: write it as NAME=VALUE.")
        settings[name] = value
    return settings


def _must_be_writable(path: Path) -> None:
    """Found out before the grading, not after it."""
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"--json {path}: there is no folder {folder}; make it first.")
    if path.is_dir():
        raise UsageError(f"--json {path}: that is a folder; name a file.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--json {path}: the folder {folder} cannot be written to.")


def _write_json(path: Path, data: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"The report cannot be written to {path}: {error.strerror}.") from error
