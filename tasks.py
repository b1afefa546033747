"""The commands of labgrader as invoke tasks: read the arguments, call one function, print."""

from invoke import Context, task

from labgrader import class_commands, commands


@task(name="list")
def list_(_: Context) -> None:
    """The labs, a line each: name, points, machines, title."""
    commands.list_labs()


@task(
    positional=["lab", "submission"],
    iterable=["set"],
    help={
        "lab": "name of the lab, or the path of its folder (with a / in it)",
        "submission": "a file, a folder or an archive; `reference` is the lab's own solution",
        "provider": "what makes the machines, netns or vagrant",
        "set": "a parameter of the lab; may be given several times",
        "json": "write the report to this file",
    },
)
def check(
    _: Context,
    lab: str,
    submission: str,
    provider: str = "netns",
    set: list[str] | None = None,
    json: str | None = None,
) -> None:
    """Grade one submission on a fresh lab and print the feedback."""
    commands.check(lab, submission, provider, set or [], json)


@task(
    positional=["lab", "submissions"],
    iterable=["set", "template"],
    help={
        "lab": "name of the lab, or the path of its folder (with a / in it)",
        "submissions": "a folder with one entry per student, the zip of a bulk download, or a roster",
        "out": "the folder for reports and tables (must be given); the same one goes on where it stopped",
        "jobs": "labs at once (default: two per processor, as long as memory lasts; vagrant: one)",
        "provider": "what makes the machines, netns or vagrant",
        "set": "a parameter of the lab; may be given several times",
        "roster": "a CSV that says who is to be graded: id,name,email,path",
        "deadline": "until when a submission is in time, such as '2026-03-01 23:59'",
        "template": "a Canvas or Moodle export to fill in; may be given several times",
        "column": "the assignment's column of the Canvas export",
        "scheduler": "grade on the workers of the Dask cluster whose scheduler is there",
    },
)
def grade(
    _: Context,
    lab: str,
    submissions: str,
    out: str | None = None,
    jobs: int = 0,
    provider: str = "netns",
    set: list[str] | None = None,
    roster: str | None = None,
    deadline: str | None = None,
    template: list[str] | None = None,
    column: str | None = None,
    scheduler: str | None = None,
) -> None:
    """Grade a class, one entry per student; called again, it goes on where it stopped."""
    class_commands.grade(
        lab,
        submissions,
        out,
        provider,
        commands.settings_of(set or []),
        jobs=jobs,
        roster=roster,
        deadline=deadline,
        templates=template or [],
        column=column,
        scheduler=scheduler,
    )


@task(
    positional=["run"],
    help={
        "run": "the folder that was given to grade as --out",
        "as": "the format; without it, the summary and a list of the formats",
        "template": "the Canvas or Moodle export to fill in",
        "column": "the assignment's column of the Canvas export",
        "out": "another file, or folder, to write to",
    },
)
def report(
    _: Context,
    run: str,
    as_: str | None = None,
    template: str | None = None,
    column: str | None = None,
    out: str | None = None,
) -> None:
    """Write the results of a graded class again, in one of the formats, or print their summary."""
    class_commands.report(run, as_, template, column, out)


@task(
    positional=["run1", "run2"],
    help={
        "run1": "the folder of a grading",
        "run2": "the folder of another; without it, each student's last two judgings in RUN1 are compared",
    },
)
def diff(_: Context, run1: str, run2: str | None = None) -> None:
    """Show whose score changed between two gradings, and which check did it; exit status 1 if any did."""
    class_commands.diff(run1, run2)


@task(
    positional=["lab"],
    iterable=["set"],
    help={
        "lab": "the lab to prove; without it, all of them",
        "jobs": "labs at once (default: one per processor; vagrant: one)",
        "repeats": "how often the reference is graded, each time in another order of the checks",
        "only": "only the mutants with this text in their names",
        "every": "only every N-th of the mutants, by name",
        "provider": "what makes the machines, netns or vagrant",
        "providers": "several, with commas between: proven on each, and their verdicts are compared",
        "set": "a parameter of the lab; may be given several times",
    },
)
def prove(
    _: Context,
    lab: str | None = None,
    provider: str | None = None,
    providers: str | None = None,
    jobs: int = 0,
    repeats: int = 3,
    only: str | None = None,
    every: int = 1,
    set: list[str] | None = None,
) -> None:
    """Prove a lab against its own reference solution and mutants."""
    commands.prove(lab, commands.providers_asked(provider, providers), jobs, repeats, only, every, set or [])


@task(
    positional=["lab"],
    help={
        "lab": "the lab to prove; without it, all of them",
        "providers": "one, or several with commas between, whose verdicts are compared",
        "out": "folder of the results (default: a folder per day in ~/.local/state/labgrader/nightly)",
        "every": "only every N-th of the mutants, by name",
        "unfinished": "only go on with a run that was cut off; where there is none, do nothing",
    },
)
def nightly(
    _: Context,
    lab: str | None = None,
    providers: str = "netns",
    out: str | None = None,
    every: int = 1,
    unfinished: bool = False,
) -> None:
    """Prove all labs on each provider, compare, and write what was found; goes on after a reboot."""
    commands.nightly(lab, commands.providers_asked(None, providers), out, every, unfinished)


@task(
    help={
        "fix": "carry out those remedies that are ours: packages, image, left-over labs",
        "provider": "look at this one only; without it, at all of them, and netns decides the exit status",
    }
)
def doctor(_: Context, fix: bool = False, provider: str | None = None) -> None:
    """Tell what this machine lacks for which provider, and the command that mends it."""
    commands.doctor(fix, provider)


@task
def clean(_: Context) -> None:
    """Remove whatever killed runs left behind, and nothing else."""
    commands.clean()


@task(
    positional=["lab"],
    help={
        "lab": "only the machines of this lab; without it, of all labs",
        "remove": "remove them, their disks included",
    },
)
def machines(_: Context, lab: str | None = None, remove: bool = False) -> None:
    """List the machines that are kept for the provider vagrant, or remove them."""
    commands.machines(lab, remove)


@task(
    positional=["action"],
    help={
        "action": "build: make the boxes that the provider vagrant uses offline",
        "out": "copy them into this folder, to take them to another machine",
        "renew": "make them anew, from the packages that the archive has now",
    },
)
def box(_: Context, action: str, out: str | None = None, renew: bool = False) -> None:
    """Make a Vagrant box from Debian packages (`lab box build`), for machines that reach no box catalogue."""
    commands.box(action, out, renew)


@task(
    name="test",
    positional=["paths"],
    iterable=["paths"],
    help={
        "paths": "a file or test id; without it, all tests",
        "keyword": "only the tests whose names fit this expression (pytest's -k)",
        "fast": "leave out the tests marked slow",
        "long": "run the tests marked long as well, as CI does: minutes more",
        "vagrant": "the tests with virtual machines instead, in namespaces of their own; as root",
    },
)
def run_tests(
    _: Context,
    paths: list[str] | None = None,
    keyword: str | None = None,
    fast: bool = False,
    long: bool = False,
    vagrant: bool = False,
) -> None:
    """Run labgrader's own tests; what stands after -- goes to pytest as it is."""
    commands.test(keyword, paths or [], fast, long, vagrant)


@task(
    help={
        "runs": "how many pairs of one check and one bare script are measured",
        "json": "write the measurements to this file",
        "class": "measure the grading of a class instead, of this many submissions, a tenth of them hostile",
        "jobs": "labs at once in a class",
    },
)
def bench(_: Context, runs: int = 5, json: str | None = None, class_: int = 0, jobs: int = 4) -> None:
    """Measure what one check costs, or a class, as a ratio to a bare script that does the same."""
    commands.bench(runs, json, class_, jobs)


@task
def lint(_: Context) -> None:
    """Look over labgrader's own code: ruff, its formatter and mypy."""
    commands.lint()
