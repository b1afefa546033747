"""The pytest plugin that runs a lab's checks: markers, order, fixtures, and one event for each outcome.

For authors: a check is a function `test_ID` in labs/LAB/checks/, its docstring's first line is the title
that the student sees, and it carries `@pytest.mark.points(N, requires=[…], after=[…], hint="…", hidden=…,
last=…)`. `requires` blocks the check when one of those failed; `after` only orders it, for checks that
decide themselves with `blocked()`.
Fixtures: one for each host of the lab by its name (probes.Host), `parameters`, `lab`, `passed`.
Loaded by the session with `-p`; never on its own.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labgrader.checking import check_mistakes, yardstick
from labgrader.checking.declared import Check, check_of, id_of, ordered, validate
from labgrader.checking.probes import Host, Unreached
from labgrader.checking.verdicts import Blocked, Failed, Notebook
from labgrader.errors import LabError, SpecError
from labgrader.model.results import CheckResult, Outcome
from labgrader.model.spec import Lab

# An outcome, its message, a hint and the check that blocks.
Judgement = tuple[Outcome, str, str | None, str | None]


class CheckOverdue(BaseException):
    """A check took longer than the lab allows; not an Exception, so that no check swallows it."""


class GradingPlugin:
    """Holds one lab's session and turns pytest's reports into results."""

    def __init__(
        self,
        lab: Lab,
        hosts: Mapping[str, Host],
        parameters: Mapping[str, int],
        notebook: Notebook,
        emit: Callable[[CheckResult], None],
        announce: Callable[[list[Check]], None],
        seed: int | None = None,
    ) -> None:
        self.lab = lab
        self.hosts = hosts
        self.parameter_values = parameters
        self.notebook = notebook
        self.emit = emit
        self.announce = announce
        self.seed = seed
        self.checks: dict[str, Check] = {}
        self.results: dict[str, CheckResult] = {}
        self.author_error: str | None = None
        self._judged: dict[str, Judgement] = {}

    # --- fixtures -------------------------------------------------------------------------------

    @pytest.fixture(name="lab")
    def lab_fixture(self) -> Lab:
        return self.lab

    @pytest.fixture
    def parameters(self) -> SimpleNamespace:
        """The lab's parameters, with --set applied: parameters.port."""
        return SimpleNamespace(**self.parameter_values)

    @pytest.fixture
    def passed(self) -> Callable[[str], bool]:
        """Whether the check with this id has passed already; for checks that depend on what failed."""
        return lambda name: name in self.results and self.results[name].outcome is Outcome.PASS

    # --- collection -----------------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "points(n, requires, hint, hidden, last): what a check is worth")

    def pytest_exception_interact(self, node: object, call: pytest.CallInfo[Any]) -> None:
        if isinstance(node, pytest.Collector) and call.excinfo is not None and self.author_error is None:
            self.author_error = check_mistakes.while_collecting(
                call.excinfo.value, self.lab.folder / "checks"
            )

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.author_error is not None:
            items.clear()
            return
        try:
            checks = [check_of(item) for item in items]
            self.checks = validate(self.lab, checks)
            order = ordered(checks, self.seed)
        except SpecError as error:
            self.author_error = error.message
            items.clear()
            return
        # Announced in the order in which the author wrote them: that is how a reader meets them.
        items.sort(key=lambda item: order.index(id_of(item)))
        self.announce(checks)

    # --- running --------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        self.notebook.take()
        started = time.monotonic()

        def overdue(*_: object) -> None:
            raise CheckOverdue(f"the check took longer than {self.lab.limits.check_s:.0f} s")

        check = self.checks[id_of(item)]
        previous = signal.signal(signal.SIGALRM, overdue)
        signal.setitimer(signal.ITIMER_REAL, self.lab.limits.check_s)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
            judged = self._judged.pop(check.id, (Outcome.PASS, "", None, None))
            outcome, message, hint, by = self._with_the_machines_pace(judged)
            result = CheckResult(
                check.id,
                check.title,
                check.points,
                outcome,
                message,
                hint if hint is not None else (check.hint if outcome is Outcome.FAIL else None),
                by,
                check.hidden,
                time.monotonic() - started,
                self.notebook.take(),
            )
            self.results[check.id] = result
            self.emit(result)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        check = self.checks[id_of(item)]
        for name in check.requires:
            needed = self.results.get(name)
            if needed is not None and needed.outcome is not Outcome.PASS:
                raise Blocked(name, "")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[pytest.TestReport]:
        report: pytest.TestReport = yield  # type: ignore[misc,assignment]
        name = id_of(item)
        before = self._judged.get(name)
        if call.excinfo is not None and (before is None or before[0] is not Outcome.ERROR):
            judged = self._judge(item, call.excinfo.value)
            # What goes wrong while a failed check cleans up matters only where it is an error of ours.
            if before is None or judged[0] is Outcome.ERROR:
                self._judged[name] = judged
        return report  # type: ignore[return-value]

    def _judge(self, item: pytest.Item, error: BaseException) -> Judgement:
        if isinstance(error, Failed):
            return (Outcome.FAIL, error.message, error.hint, None)
        if isinstance(error, Blocked):
            return self._blocked(error)
        if isinstance(error, LabError):
            return (Outcome.ERROR, error.message, None, None)
        if isinstance(error, pytest.FixtureLookupError):
            wanted = check_mistakes.unknown_fixture(
                self.checks[id_of(item)].place, item.name, error.argname, list(self.hosts)
            )
            self.author_error = self.author_error or wanted
            return (Outcome.ERROR, wanted, None, None)
        if isinstance(error, CheckOverdue):
            return (
                Outcome.ERROR,
                f"{error}; that is the check's fault or ours, not the submission's.",
                None,
                None,
            )
        place = _place_of(error, item, self.lab.folder / "checks")
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, Unreached):
            words = f"{error}, and the check does not say what that means"
        self.notebook.add("Where the check broke", "".join(traceback.format_exception(error))[-3000:])
        return (Outcome.ERROR, f"A bug in the check, at {place}: {words}", None, None)

    def _with_the_machines_pace(self, judged: Judgement) -> Judgement:
        """A failed check is an error of ours where the machines were too slow for it to mean anything."""
        if judged[0] is not Outcome.FAIL:
            return judged
        try:
            why = yardstick.too_slow(self.hosts.values())
        except LabError as error:
            why = error.message
        return judged if why is None else (Outcome.ERROR, f"{why} Seen was: {judged[1]}", None, None)

    def _blocked(self, error: Blocked) -> Judgement:
        cause = self.results.get(error.by)
        if cause is None or cause.outcome is Outcome.PASS:
            seen = "passed" if cause else "has not been run"
            words = f"{error.message} That is what {error.by} looks at, and it {seen}, "
            return (Outcome.ERROR, words + "so the lab is at fault, not the submission.", None, None)
        if cause.outcome is Outcome.ERROR:
            return (Outcome.ERROR, f"It builds on {error.by}, which could not be judged.", None, error.by)
        root = cause.blocked_by if cause.outcome is Outcome.BLOCKED and cause.blocked_by else error.by
        return (
            Outcome.BLOCKED,
            error.message or "Not tried, because it builds on a check that failed.",
            None,
            root,
        )


def host_fixtures(hosts: Mapping[str, Host]) -> Any:
    """A plugin object with a session fixture for each host, by the host's name in lab.yaml."""

    def provide(host: Host) -> Any:
        @pytest.fixture(name=host.name.replace("-", "_"), scope="session")
        def fixture(_self: object) -> Host:
            return host

        return fixture

    return type("HostFixtures", (), {name.replace("-", "_"): provide(host) for name, host in hosts.items()})()


def _place_of(error: BaseException, item: pytest.Item, checks: Path) -> str:
    """FILE:LINE of the innermost frame inside the lab's own checks; else where the check stands."""
    place = check_mistakes.place_in(error, checks) or f"{item.path}:{(item.location[1] or 0) + 1}"
    return Path(place).name
