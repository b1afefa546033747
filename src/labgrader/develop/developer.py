"""The commands for those who work on labgrader itself: its tests and its linters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from labgrader.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
LINTERS = {
    "ruff check": ["ruff", "check", "--output-format=concise"],
    "ruff format": ["ruff", "format", "--check", "--output-format=concise"],
    "mypy": ["mypy"],
}
# pytest's own numbers (pytest.ExitCode) as ours: 1 something failed, 2 wrong usage, 3 our machinery.
STATUS = {0: 0, 3: 3, 4: 2, 5: 2}
VAGRANT_TESTS = ["tests/vagrant", "tests/vagrant_box", "tests/vagrant_cli"]


def test(
    keyword: str | None, paths: list[str], rest: list[str], *, fast: bool, long: bool, vagrant: bool
) -> int:
    """Run the project's tests with this interpreter's pytest; returns an exit status.

    keyword: pytest's -k. paths: files or test ids (default: all). rest: further arguments for pytest.
    fast: leave out the tests marked `slow`. long: do not leave out those marked `long`, which are run
    without it only where `paths` names them. vagrant: those marked `vagrant` instead of all others, in a room
    of their own. Raises UsageError where pytest or, for `vagrant`, something of the machine is missing.
    """
    _must_have("pytest", "test")
    argv = [sys.executable, "-P", "-m", "pytest"]
    if keyword is not None:
        argv += ["-k", keyword]
    chosen = ["vagrant" if vagrant else "not vagrant"]
    chosen += ["not slow"] if fast else []
    chosen += [] if long or vagrant or paths else ["not long"]
    argv += ["-m", " and ".join(chosen)]
    if not vagrant:
        for path in paths:
            if any(
                (ROOT / path.partition("::")[0]).is_relative_to(ROOT / folder) for folder in VAGRANT_TESTS
            ):
                raise UsageError(f"{path} makes virtual machines; add --vagrant.")
        if long:
            _install_browser()
        return STATUS.get(_run([*argv, *paths, *rest]), 1)
    from labgrader.develop import vagrant_tests

    vagrant_tests.check_machine()
    vagrant_tests.install()
    vagrant_tests.prepare()
    with vagrant_tests.room(os.environ) as (before, environment):
        # Machines take minutes to be made.
        argv += ["-o", "faulthandler_timeout=3600"]
        argv = [*before, *argv, *(paths or VAGRANT_TESTS), *rest]
        return STATUS.get(_run(argv, signal.SIGTERM, environment), 1)


def _install_browser() -> None:
    """Install Chromium, in which the class's page is tried; where it cannot be, those tests say so."""
    if all(shutil.which(name) for name in ("chromium", "chromedriver")):
        return
    from labgrader import doctor
    from labgrader.doctor_findings import Finding, State

    lacking = Finding(State.LACKS, "browser", "missing", packages=("chromium", "chromium-driver"))
    for sentence in doctor.mend([lacking]):
        print(sentence, file=sys.stderr, flush=True)


def lint() -> int:
    """Run ruff, its formatter's check and mypy, and print what those had to say that failed.

    Returns 0, or 1 if one failed. Raises UsageError where one is not installed.
    """
    failed = False
    for name, words in LINTERS.items():
        _must_have(words[0], "lint")
        argv = [sys.executable, "-m", *words]
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{'WRONG' if done.returncode else '  ok '}  {name}", flush=True)
        if done.returncode != 0:
            failed = True
            print(done.stdout, end="" if done.stdout.endswith("\n") else "\n", flush=True)
    return 1 if failed else 0


def _must_have(module: str, task: str) -> None:
    if find_spec(module) is None:
        raise UsageError(f"{module} is not installed in this environment; ./lab {task} installs it.")


def _run(
    argv: list[str], end: signal.Signals = signal.SIGINT, environment: Mapping[str, str] | None = None
) -> int:
    """Run a command in the checkout to its end; SIGTERM reaches it as the signal that lets it tidy up."""
    process = subprocess.Popen(argv, cwd=ROOT, env=environment)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to both of us; twice would break its tidying up.
        if number == signal.SIGTERM:
            process.send_signal(end)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
