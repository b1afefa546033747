"""Worker processes for a class: as an executor, where the end of one worker is the end of one job only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, forkserver
from typing import Any, ParamSpec, TypeVar

from labgrader.errors import LabError
from labgrader.pool import workers

STARTS = 5
START_S = 60.0  # for a worker to answer at all
END_S = 20.0  # for a worker to take its lab down

P = ParamSpec("P")
T = TypeVar("T")


class Lanes(Executor):
    """Up to `count` workers, each a pool of its own, made when it is needed and made anew when it died.

    In one pool for all, the end of one process breaks the jobs of all, and nobody can tell whose it was.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        self._all: set[ProcessPoolExecutor] = set()
        self._idle: list[ProcessPoolExecutor] = []
        self._pids: dict[ProcessPoolExecutor, int] = {}
        self._lanes: dict[Future[Any], ProcessPoolExecutor] = {}
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call in an idle worker; waits for one if all are busy.

        The future has BrokenProcessPool if the worker ends before it has answered. Raises LabError if no
        worker can be started.
        """
        for attempt in range(1, STARTS + 1):
            lane = self._take()
            try:
                # Its pid first, so that `end` can find it; that also shows that it is alive.
                if lane not in self._pids:
                    self._pids[lane] = lane.submit(os.getpid).result(START_S)
                future = lane.submit(fn, *args, **kwargs)
                break
            # OSError and EOFError: the process that starts workers died. TimeoutError, an OSError as well: a
            # worker stands still, and does not end by itself.
            except (BrokenProcessPool, OSError, EOFError, SystemExit) as error:
                why = str(error)
                if isinstance(error, TimeoutError):
                    _kill(lane)
                    why = f"it did not answer within {START_S:.0f} s"
                elif isinstance(error, ConnectionRefusedError):
                    _wait_for_the_end_of_the_forkserver()
                self._give_back(lane, broken=True)
                if attempt == STARTS:
                    raise LabError(f"No worker process could be started: {why}.") from error
        self._lanes[future] = lane
        future.add_done_callback(self._done)
        return future

    def end(self, future: Future[Any]) -> None:
        """End the worker that has this job; the future then has BrokenProcessPool."""
        lane = self._lanes.get(future)
        pid = self._pids.get(lane) if lane is not None else None
        if pid is not None and pid in {child.pid for child in multiprocessing.active_children()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Have every worker end its lab and itself, now; the futures have BrokenProcessPool."""
        with self._changed:
            self._closed = True
        mine = [child for child in multiprocessing.active_children() if child.pid in self._pids.values()]
        for child in mine:
            child.terminate()
        left = {child.sentinel: child for child in mine}
        deadline = time.monotonic() + END_S
        while left and (ended := connection.wait(list(left), max(0.0, deadline - time.monotonic()))):
            for sentinel in ended:
                del left[sentinel]  # type: ignore[arg-type]
        for child in left.values():
            child.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._changed:
            self._closed = True
            lanes, self._all, self._idle = self._all, set(), []
            self._changed.notify_all()
        for lane in lanes:
            lane.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            for lane in lanes:
                lane.shutdown(wait=True)

    def _take(self) -> ProcessPoolExecutor:
        with self._changed:
            while not self._idle and len(self._all) >= self._count and not self._closed:
                self._changed.wait()
            if self._closed:
                raise RuntimeError("no job can be given to workers that were let go")
            if self._idle:
                return self._idle.pop()
            lane = workers(1)
            self._all.add(lane)
            return lane

    def _done(self, future: Future[Any]) -> None:
        lane = self._lanes.pop(future)
        self._give_back(lane, broken=isinstance(future.exception(), BrokenProcessPool | SystemExit))

    def _give_back(self, lane: ProcessPoolExecutor, *, broken: bool) -> None:
        with self._changed:
            if not broken and not self._closed:
                self._idle.append(lane)
            elif broken:
                self._all.discard(lane)
                self._pids.pop(lane, None)
            self._changed.notify_all()
        if broken:
            lane.shutdown(wait=False)


def _kill(lane: ProcessPoolExecutor) -> None:
    """End a pool's process that has told no pid; the pool alone knows it."""
    for process in list((lane._processes or {}).values()):
        process.kill()


def _wait_for_the_end_of_the_forkserver() -> None:
    """Wait until the process that starts workers has ended, so that the next start makes a new one.

    A process that is killed closes its socket first. Until it can be waited for, on a busy machine for long
    enough to use up all starts, it counts as alive, and refuses connections.
    """
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid is None:
        return
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            select.select([handle], [], [], END_S)
        finally:
            os.close(handle)
