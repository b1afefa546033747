"""One lab's session, in a process of its own: connect, apply, run the checks, and tell what happened.

It speaks to the grader in JSON lines on a pipe that nobody else has; a session that dies or says nothing
is the grader's error, never the student's zero.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labgrader.errors import LabError, SpecError
from labgrader.model.results import CheckResult
from labgrader.model.spec import Lab
from labgrader.model.topology import Topology
from labgrader.remote.access import Access, Lease


def lease_json(lease: Lease) -> str:
    """A lease as one line for `read_lease`."""
    return json.dumps(dataclasses.asdict(lease)) + "\n"


def read_lease(line: str) -> Lease:
    """The lease that `lease_json` wrote."""
    data = json.loads(line)
    hosts = {name: Access(**access) for name, access in data.pop("hosts").items()}
    data["notes"] = tuple(data["notes"])
    return Lease(hosts=hosts, **data)


class Reporter:
    """Writes events, one JSON line each."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, event: str, **data: Any) -> None:
        line = (json.dumps({"event": event, **data}) + "\n").encode()
        while line:
            line = line[os.write(self._fd, line) :]

    def check(self, result: CheckResult) -> None:
        self.say("check", **dataclasses.asdict(result))


def run(
    lab: Lab,
    topology: Topology,
    parameters: Mapping[str, int],
    submitted: Mapping[str, bytes],
    seed: int | None,
    lease_fd: int,
    event_fd: int,
) -> None:
    """The whole session. Loads what it needs while the hosts come up, then waits for the lease."""
    reporter = Reporter(event_fd)
    try:
        _run(lab, topology, parameters, submitted, seed, lease_fd, reporter)
    except LabError as error:
        reporter.say("broken", kind="lab", message=error.message)
    except SpecError as error:
        reporter.say("broken", kind="spec", message=error.message)
    except BaseException as error:
        traceback.print_exc()
        reporter.say(
            "broken", kind="lab", message=f"labgrader itself failed: {type(error).__name__}: {error}"
        )


def _run(
    lab: Lab,
    topology: Topology,
    parameters: Mapping[str, int],
    submitted: Mapping[str, bytes],
    seed: int | None,
    lease_fd: int,
    reporter: Reporter,
) -> None:
    import pytest

    from labgrader.apply import apply
    from labgrader.checking.probes import Host
    from labgrader.checking.pytest_plugin import GradingPlugin, host_fixtures
    from labgrader.checking.verdicts import Notebook
    from labgrader.model.render import files_for

    files = files_for(lab, topology, parameters, submitted)
    with os.fdopen(lease_fd) as stream:
        line = stream.readline()
    if not line:
        return  # the hosts did not come up; the grader knows
    started = time.monotonic()
    applied = apply(lab, read_lease(line), files)
    reporter.say("applied", seconds=time.monotonic() - started)
    notebook = Notebook()
    machines = {machine.name: machine for machine in topology.machines}
    hosts = {
        name: Host(machines[name], item.connection, item.hands, lab.limits, notebook, item.services)
        for name, item in applied.items()
    }
    plugin = GradingPlugin(
        lab,
        hosts,
        parameters,
        notebook,
        reporter.check,
        lambda checks: reporter.say("planned", checks=[dataclasses.asdict(check) for check in checks]),
        seed,
    )
    # What else is installed beside labgrader must not take part in grading (nor cost its loading).
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    started = time.monotonic()
    status = pytest.main(_arguments(lab), plugins=[plugin, host_fixtures(hosts)])
    if plugin.author_error:
        raise SpecError(plugin.author_error)
    if status == pytest.ExitCode.INTERNAL_ERROR:
        # Such as a check's time that ran out while pytest was between two of its phases.
        raise LabError(f"pytest failed while it ran the checks: {_collection_errors()}")
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SpecError(f"{lab.folder / 'checks'}: pytest could not run the checks: {_collection_errors()}")
    reporter.say("done", seconds=time.monotonic() - started, versions=_versions())


def _versions() -> dict[str, str]:
    """Of the libraries that decide what is seen, by their own word: package metadata is slow to read."""
    import dns.version
    import jinja2
    import paramiko
    import pytest

    return {
        "paramiko": paramiko.__version__,
        "pytest": pytest.__version__,
        "jinja2": jinja2.__version__,
        "dnspython": dns.version.version,
    }


def _arguments(lab: Lab) -> list[str]:
    checks = lab.folder / "checks"
    return [
        str(checks),
        f"--rootdir={lab.folder}",
        "-c",
        os.devnull,
        "--import-mode=importlib",
        "--tb=short",
        "-q",
        "--no-header",
        *(
            f"-pno:{name}"
            for name in (
                "cacheprovider",
                "junitxml",
                "pastebin",
                "doctest",
                "stepwise",
                "faulthandler",
                "logging",
                "unraisableexception",
                "threadexception",
            )
        ),
    ]


def _collection_errors() -> str:
    """What pytest said last, from this process's log (its standard output)."""
    try:
        text = Path("/proc/self/fd/1").read_text(errors="replace")
    except OSError:
        return "see its log"
    lines = [line[2:] if line.startswith("E ") else line for line in text.splitlines() if line.strip()]
    wanted = [line.strip() for line in lines if "Error" in line or ".py:" in line]
    return " / ".join(wanted[-4:])[-600:] or text.strip()[-300:]
