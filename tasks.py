"""The commands of labgrader as invoke tasks: read the arguments, call one function, print."""

from invoke import Context, task

from labgrader import commands


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
        "provider": "what makes the machines",
        "set": "NAME=VALUE, a parameter of the lab; may be given several times",
        "json": "write the report to this file",
    },
)
def check(  # noqa: PLR0913, PLR0917 - one argument an option
    _: Context,
    lab: str,
    submission: str,
    provider: str = "netns",
    set: list[str] | None = None,  # noqa: A002 - the option's name is part of the contract
    json: str | None = None,
) -> None:
    """Grade one submission on a fresh lab and print the feedback."""
    commands.check(lab, submission, provider, set or [], json)
