"""What holds for every test: a skip never hides a failure, and namespace tests run or say why not."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Generator
from typing import Any

import pytest

ALLOWED_SKIP = "not applicable:"


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _fail_if_skipped(report: Any) -> None:
    if not _in_ci() or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED_SKIP):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped, which is a failure in CI unless the reason begins with '{ALLOWED_SKIP}': {reason}"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@functools.cache
def _why_no_namespaces() -> str | None:
    """Tries what the namespace provider needs; the reason why it cannot be, or None."""
    command = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "ip", "link", "show", "lo"]
    if os.geteuid() != 0:
        command[1:1] = ["--map-root-user", "--map-auto"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip() or f"unshare exited with {done.returncode}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("namespaces") and (why := _why_no_namespaces()):
        pytest.skip(f"namespaces cannot be made here ({why}); ./lab doctor tells what mends it")
