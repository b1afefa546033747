"""Warm worker processes that grade jobs side by side; each forks its sessions from loaded modules."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import multiprocessing
import os
import select
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

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
P = ParamSpec("P")
T = TypeVar("T")
_at_a_job = False


def workers(count: int) -> ProcessPoolExecutor:
    """An executor of `count` processes that end with this one, however it ends."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin)


def default_jobs() -> int:
    """As many labs at once as this process may use processors."""
    return max(1, len(os.sched_getaffinity(0)))


def for_worker(fn: Callable[P, T]) -> Callable[P, T]:
    """Make `fn` a job that a worker which is told to end first puts in order, by `fn`'s own `finally`s.

    A pool would take the SystemExit for an answer, and let its worker wait for the next job.
    """

    @functools.wraps(fn)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        global _at_a_job
        try:
            _at_a_job = True
            try:
                return fn(*args, **kwargs)
            finally:
                _at_a_job = False
        except SystemExit:
            os._exit(1)

    return run


@for_worker
def grade_in_worker(job: Job, provider_name: str, attempts: int = ATTEMPTS) -> Report:
    """Grade `job` in a worker process."""
    return grade(job, provider(provider_name), attempts=attempts)


def _begin() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # the process that forks workers
    # The one who pressed Ctrl-C is told by the parent; a worker ends by its pool's closing or SIGTERM,
    # through every `finally` of its job, so that its lab goes with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    _end_with_parent()


def _end_with_parent() -> None:
    """Have SIGTERM sent to us when the process that asked for workers ends.

    PDEATHSIG does not tell of it: the process that forks workers is another, and lives as long as they do.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    pipe = parent.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # it ended before we asked
        os._exit(1)


def _end(*_: object) -> None:
    if not _at_a_job:
        os._exit(1)  # the pool's own code may be anywhere, and catches what is raised in it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(1)
