"""What each command does, and its exit status; the tasks only read arguments."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgrader.errors import SpecError, SubmissionError, UsageError
from labgrader.model import spec
from labgrader.model.results import Report, exit_status
from labgrader.printable import without_commands

if TYPE_CHECKING:
    from labgrader.providers import Provider


def list_labs() -> None:
    """Print a line for each lab."""
    labs = [spec.find(name) for name in spec.lab_names()]
    if not labs:
        print(f"There is no lab in {spec.labs_folder()}.")
        return
    machines = {lab.name: ", ".join(host.hostname for host in lab.hosts.values()) for lab in labs}
    name_width, width = max(map(len, machines)), max(map(len, machines.values()))
    for lab in labs:
        print(f"{lab.name:{name_width}}  {lab.points:4g} points  {machines[lab.name]:{width}}  {lab.title}")


def check(
    lab_name: str, submission_path: str, provider_name: str, settings: list[str], json_path: str | None
) -> None:
    """Grade one submission; prints the feedback and leaves with the contract's exit status."""
    from labgrader.providers import provider
    from labgrader.reporters.terminal import feedback

    lab = spec.find(lab_name)
    parameters = spec.parameters(lab, settings_of(settings))
    if json_path is not None:
        _must_be_writable(Path(json_path))
    report = _graded(lab, parameters, submission_path, provider(provider_name))
    if json_path is not None:
        _write_json(Path(json_path), report.to_json())
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    said = feedback(report, title=lab.title, colour=colour)
    print(without_commands(said) if "GITHUB_ACTIONS" in os.environ else said, end="")
    raise SystemExit(exit_status(report))


def prove(
    lab_name: str | None,
    provider_names: list[str],
    jobs: int,
    repeats: int,
    only: str | None,
    every: int,
    settings: list[str],
) -> None:
    """Prove one lab or all; exit 0 if every finding holds, 2 for a lab to mend, 3 if we failed."""
    from labgrader.prove import makers
    from labgrader.prove import prove as prove_lab
    from labgrader.proving.findings import Finding

    if repeats < 1:
        raise UsageError("--repeats 0: the reference must be graded at least once.")
    if every < 1:
        raise UsageError("--every 0: 1 is every mutant, 2 each second.")
    providers = makers(provider_names)
    for maker in providers.values():
        maker().prepare()
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        where = f"{finding.provider}: " if finding.provider and len(providers) > 1 else ""
        mark = "  ok " if finding.holds else "WRONG"
        print(f"{mark}  {where}{finding.name}: {finding.message}", flush=True)

    for name in _asked(lab_name):
        lab = spec.find(name)
        print(f"{lab.name}: {lab.title}", flush=True)
        findings += prove_lab(
            lab,
            spec.parameters(lab, settings_of(settings)),
            providers,
            jobs=jobs,
            repeats=repeats,
            only=only,
            every=every,
            tell=tell,
        )
    wrong = [finding for finding in findings if not finding.holds]
    print(f"{len(findings) - len(wrong)} of {len(findings)} hold.")
    if wrong:
        raise SystemExit(3 if any(finding.ours for finding in wrong) else 2)


def nightly(
    lab_name: str | None, provider_names: list[str], out: str | None, every: int, unfinished: bool
) -> None:
    """Prove all labs (or one) on each provider and compare them; leaves with 0, 1 or 3."""
    from labgrader.nightly import job
    from labgrader.prove import makers

    if every < 1:
        raise UsageError("--every 0: 1 is every mutant, 2 each second.")
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise UsageError(f"--out {out}: that is a file; name a folder.")
    labs = [spec.find(name) for name in _asked(lab_name)]
    folder = Path(out).resolve() if out is not None else None
    providers = makers(provider_names)
    raise SystemExit(
        job.run(
            labs,
            providers,
            doctor=_doctor_says,
            clean=_removed,
            out=folder,
            every=every,
            unfinished=unfinished,
        )
    )


def _asked(lab_name: str | None) -> list[str]:
    """The lab that is named, or all; none at all would be a proof of nothing that ends well."""
    names = [lab_name] if lab_name else spec.lab_names()
    if not names:
        raise SpecError(f"There is no lab in {spec.labs_folder()}, so there is nothing to prove.")
    return names


def _doctor_says(provider_name: str) -> tuple[bool, str]:
    """Whether the doctor lets a provider pass, and what it said about what it lacks."""
    from labgrader import doctor as doctors

    with contextlib.redirect_stdout(io.StringIO()) as said:
        usable = doctors.run(False, provider_name, as_set=True) == 0
    lines = said.getvalue().splitlines()
    wrong = [line for line in lines if line.startswith("lacks")]
    return usable, " / ".join([*([] if usable else wrong), *lines[-1:]])


def providers_asked(one: str | None, several: str | None) -> list[str]:
    """The names of providers that --provider or --providers ask for; netns without either."""
    if one is not None and several is not None:
        raise UsageError("--provider and --providers: give one of them.")
    if several is None:
        return [one or "netns"]
    names = [name.strip() for name in several.split(",")]
    if not all(names):
        raise UsageError(f"--providers {several}: write names with commas between, such as netns,vagrant.")
    return names


def doctor(fix: bool, provider_name: str | None) -> None:
    """Check this machine, and mend what is ours to mend if `fix`; leaves with 0 if it can be used."""
    from labgrader import doctor as doctors

    raise SystemExit(doctors.run(fix, provider_name))


def clean() -> None:
    """Remove what killed runs left behind, of every provider; a line for each thing removed."""
    removed = _removed()
    for line in removed:
        print(f"Removed {line}")
    if not removed:
        print("Nothing was left behind.")


def _removed() -> list[str]:
    from labgrader.providers import NAMES, provider

    return [line for name in NAMES for line in provider(name).clean()]


def machines(lab_name: str | None, remove: bool) -> None:
    """List the machines that Vagrant's labs keep, or remove those of one lab, or all that nobody uses."""
    from labgrader.providers import vagrant

    lab_name = lab_name or None
    if lab_name is not None:
        spec.find(lab_name)
    if remove:
        for line in vagrant.remove_kept(lab_name):
            print(f"Removed {line}")
    kept = [item for item in vagrant.kept() if lab_name in (None, item.lab)]
    for item in kept:
        print(item.line)
    if not kept:
        print("No machines are kept.")


def box(action: str, out: str | None, renew: bool) -> None:
    """Build the boxes of Debian packages; prints where they are, and on stderr how they are used by hand."""
    from labgrader.providers.vagrant import box as boxes

    if action != "build":
        raise UsageError(f"lab box {action}: there is only lab box build.")
    built = boxes.build(Path(out).absolute() if out else None, renew=renew)
    print(built.libvirt)
    print(built.virtualbox)
    for line in boxes.by_hand(built):
        print(line, file=sys.stderr)


def test(keyword: str | None, paths: list[str], fast: bool, long: bool, vagrant: bool) -> None:
    """Run the project's tests; leaves with 0, or 1 if one failed. What stands after `--` is pytest's."""
    from labgrader.develop import developer

    # Taken from the command line itself: invoke's remainder has lost where each word ends.
    rest = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    raise SystemExit(developer.test(keyword, paths, rest, fast=fast, long=long, vagrant=vagrant))


def bench(runs: int, json_path: str | None, students: int, jobs: int) -> None:
    """Measure a check, or a class, against the bare script and print it; missing the budget is no failure."""
    from labgrader.develop import benchmark, class_benchmark

    if runs < 1:
        raise UsageError("--runs 0: at least one pair must be measured.")
    if json_path is not None:
        _must_be_writable(Path(json_path))
    found = class_benchmark.measure(students, max(1, jobs)) if students else benchmark.measure(runs)
    if json_path is not None:
        _write_json(Path(json_path), found)
    print((class_benchmark if students else benchmark).sentences(found), end="")


def lint() -> None:
    """Run the linters; leaves with 0, or 1 if one has something to say."""
    from labgrader.develop import developer

    raise SystemExit(developer.lint())


def _graded(lab: spec.Lab, parameters: dict[str, int], submission_path: str, chosen: Provider) -> Report:
    from labgrader import runner
    from labgrader.intake import submission

    path = lab.folder / "reference" if submission_path == "reference" else Path(submission_path)
    try:
        collected = submission.collect(path, runner.file_rules(lab))
    except SubmissionError as error:
        return runner.rejected(lab, parameters, chosen.name, submission.student_id(path), error.message)
    chosen.prepare()
    job = runner.Job(lab, collected, parameters)
    return runner.grade(job, chosen, progress=lambda text: print(text, file=sys.stderr))


def settings_of(items: list[str]) -> dict[str, str]:
    """`--set` words as names and values; UsageError for one without an equals sign."""
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
