"""Warm worker processes that grade jobs side by side; each forks its sessions from loaded modules."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

from labgrader.model.results import Report
from labgrader.providers import provider
from labgrader.runner import ATTEMPTS, Job, grade

PRELOAD = [
    "labgrader.session",
    "labgrader.apply",
    "labgrader.checking.pytest_plugin",
    "labgrader.remote.keys",
    "pytest",
    "paramiko",
]
PR_SET_PDEATHSIG = 1


def workers(count: int) -> ProcessPoolExecutor:
    """An executor of `count` processes that end with this one, however it ends."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin)


def default_jobs() -> int:
    """As many labs at once as this process may use processors."""
    return max(1, len(os.sched_getaffinity(0)))


def grade_in_worker(job: Job, provider_name: str, attempts: int = ATTEMPTS) -> Report:
    """Grade `job` in a worker process."""
    return grade(job, provider(provider_name), attempts=attempts)


def _begin() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The one who pressed Ctrl-C is told by the parent; a worker ends by its pool's closing or SIGTERM,
    # through every `finally`, so that its lab goes with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(1)
