"""The workers of a Dask cluster as an executor: for a grading as good as the lanes on this machine.

Each job goes to one worker that was tried before, and waits here while all are busy. So the end of a worker
is the end of its own jobs only, a grading hears of it as of a lane's, and it counts the deaths over a job.
"""

from __future__ import annotations

import contextlib
import functools
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from labgrader.batch import cluster_work, work
from labgrader.batch.cluster_jobs import Order, Worker, is_of, new_key, nobody, tell, words
from labgrader.batch.work import Setting
from labgrader.errors import LabError
from labgrader.printable import printable

if TYPE_CHECKING:
    from distributed import Client

POLL_S = 0.5
ASK_S = 5.0
SCHEDULER_S = 15.0  # without an answer of the scheduler
NOBODY_S = 60.0  # without a worker: one that ended may be started again meanwhile
PAUSED_S = 600.0  # with none that takes a job: Dask lets a worker pause until its memory suffices
PROBE_S = 120.0
END_S = 30.0  # for a worker to end a job; then it is the worker that does not answer


class Cluster(Executor):
    """Runs `work.work` on workers. One thread owns all that is known of them; others put events."""

    def __init__(self, client: Client, address: str, setting: Setting) -> None:
        self._client = client
        self._far = client.get_executor(pure=False, allow_other_workers=False)  # type: ignore[no-untyped-call]
        self._address = address
        self._provider = setting.provider
        self._bundle = cluster_work.packed(setting.lab)
        self._digest = cluster_work.digest(self._bundle)
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._workers: dict[tuple[str, str], Worker] = {}
        self._waiting: deque[Order] = deque()
        self._orders: dict[Future[Any], Order] = {}
        self._news: deque[str] = deque()
        self._failure: LabError | None = None
        self._heard = self._peopled = time.monotonic()
        self._looked = threading.Event()
        self._changed = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="labgrader cluster", daemon=True)
        self._thread.start()

    @property
    def places(self) -> int:
        """How many jobs the workers take at once, now; 1 while there is none, for one may yet come."""
        return max(1, sum(worker.threads for worker in list(self._workers.values()) if worker.good))

    def news(self) -> list[str]:
        """Sentences about workers that came or were left out, since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def wait_for_workers(self) -> None:
        """Wait until one worker can grade. LabError, with the reasons, if none of those there can."""
        while True:
            if self._failure is not None:
                raise self._failure
            there = list(self._workers.values()) if self._looked.wait(POLL_S) else None
            if there is not None and any(worker.good for worker in there):
                return
            if there is not None and all(worker.tried for worker in there):
                raise nobody(self._address, there)
            self._changed.wait(POLL_S)
            self._changed.clear()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `work.work(task)` done by a worker; waits for none.

        The future has BrokenProcessPool if the worker ended before it answered, and LabError if there are no
        workers any more.
        """
        assert fn is work.work and not kwargs, "workers know this call alone"
        made = Order(args[0], new_key("job"), Future())
        made.told.set_running_or_notify_cancel()
        self._orders[made.told] = made
        made.told.add_done_callback(self._orders.pop)
        self._events.put(lambda: self._waiting.append(made))
        return made.told

    def waits(self, future: Future[Any]) -> bool:
        """Whether this job is with no worker yet, so that its time has not begun."""
        return (order := self._orders.get(future)) is not None and order.worker is None

    def end(self, future: Future[Any]) -> None:
        """End the process that has this job; the future then has BrokenProcessPool."""
        self._events.put(lambda: self._end(future))

    def stop(self) -> None:
        """End all jobs and their labs, now."""
        self._close()
        ends = [self._end_on(worker) for worker in self._workers.values() if worker.orders]
        deadline = time.monotonic() + ASK_S
        for thread in ends:
            thread.join(max(0.0, deadline - time.monotonic()))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._close()
        for order in [*self._waiting, *(o for w in self._workers.values() for o in w.orders)]:
            tell(order, BrokenProcessPool("the grading was ended"))
        with contextlib.suppress(Exception):
            self._client.close(timeout=ASK_S)  # type: ignore[no-untyped-call]

    def _close(self) -> None:
        self._closing = True
        self._events.put(lambda: None)
        self._thread.join(2 * ASK_S)

    def _serve(self) -> None:
        next_look = 0.0
        while not self._closing and self._failure is None:
            try:
                if time.monotonic() >= next_look:
                    self._look()
                    next_look = time.monotonic() + POLL_S
                self._give_out()
                with contextlib.suppress(queue.Empty):
                    self._events.get(timeout=POLL_S)()
            except LabError as error:
                self._failure = error
            except Exception as error:
                self._failure = LabError(f"labgrader itself failed: {type(error).__name__}: {error}")
        while self._failure is not None and not self._closing:
            for order in [*self._waiting, *(o for w in self._workers.values() for o in w.orders)]:
                tell(order, self._failure)
            with contextlib.suppress(queue.Empty):
                self._events.get(timeout=POLL_S)()

    def _look(self) -> None:
        """Who is there now; those who came are tried, the jobs of those who went have ended."""
        now = time.monotonic()
        try:
            seen = self._identity()["workers"]
            self._heard = now
        except (OSError, TimeoutError) as error:
            if now - self._heard > SCHEDULER_S or self._client.status == "closed":
                raise LabError(
                    f"The scheduler at {self._address} does not answer any more ({words(error)}). What "
                    f"was graded until now is kept; when it is up again, the same command goes on."
                ) from error
            return
        here = {(address, str(about["local_directory"])): about for address, about in seen.items()}
        for key in [key for key in self._workers if key not in here]:
            self._lose(self._workers.pop(key), "left the cluster")
        for key, about in here.items():
            if key not in self._workers:
                self._workers[key] = Worker(key[0], int(about["nthreads"]), now)
                self._try(self._workers[key])
            self._workers[key].awake = about["status"] == "running"
        self._see_to_the_slow(now)
        there = list(self._workers.values())
        if not self._waiting or any(worker.may_take_one for worker in there):
            self._peopled = now
        elif now - self._peopled > (PAUSED_S if any(one.good for one in there) else NOBODY_S):
            raise nobody(self._address, there)
        self._looked.set()

    def _identity(self) -> Mapping[str, Any]:
        scheduler = self._client.scheduler
        if scheduler is None:
            raise OSError("it is not connected")
        found: Mapping[str, Any] = self._client.sync(  # type: ignore[no-untyped-call]
            scheduler.identity, n_workers=-1, callback_timeout=ASK_S
        )
        return found

    def _try(self, worker: Worker) -> None:
        asked, where = (work.grader_version(), self._provider), [worker.address]
        far = self._far.submit(cluster_work.probe, *asked, workers=where, key=new_key("probe"))
        far.add_done_callback(lambda done: self._events.put(lambda: self._tried(worker, done)))

    def _tried(self, worker: Worker, done: Future[bytes]) -> None:
        if worker.tried:
            return
        try:
            reason = json.loads(done.result())["reason"]
            worker.reason = None if reason is None else str(reason)
        except ModuleNotFoundError:
            worker.reason = "it has no labgrader; start it with the Python of a checkout's .venv"
        except BaseException as error:  # cancelled, or whatever another program's worker says
            worker.reason = f"its trial failed: {words(error)}"
        worker.tried = True
        self._tell_of(worker)
        self._changed.set()

    def _tell_of(self, worker: Worker) -> None:
        if worker.reason is None:
            self._news.append(f"Worker {worker.address} takes part, with {worker.threads} at once.")
        else:
            self._news.append(f"Worker {worker.address} is left out: {printable(worker.reason, 400)}.")

    def _give_out(self) -> None:
        while self._waiting and self._client.status == "running":
            free = [w for w in self._workers.values() if w.good and w.awake and len(w.orders) < w.threads]
            if not free:
                return
            worker, order = min(free, key=lambda one: len(one.orders)), self._waiting.popleft()
            worker.orders.append(order)
            order.worker = worker
            request = cluster_work.order(order.task, order.token, self._digest)
            order.far = self._far.submit(
                cluster_work.run, request, self._bundle, workers=[worker.address], key=new_key("job")
            )
            order.far.add_done_callback(functools.partial(self._hear, order))

    def _hear(self, order: Order, done: Future[bytes]) -> None:
        self._events.put(lambda: self._answered(order, done))

    def _answered(self, order: Order, done: Future[bytes]) -> None:
        worker = order.worker
        if done is not order.far or worker is None or order not in worker.orders:
            return  # it was given up before
        worker.orders.remove(order)
        if done.cancelled():  # by Dask, which lost its scheduler: no fault of the job or its worker
            self._again(order)
            return
        try:
            answer = json.loads(done.result())
            if not isinstance(answer, dict):
                raise ValueError("no JSON object")
        except BaseException as error:
            tell(order, BrokenProcessPool(words(error)))
            return
        if "refused" in answer:
            worker.reason = str(answer["refused"])
            self._tell_of(worker)
            self._again(order)
        elif "ended" in answer:
            tell(order, BrokenProcessPool(str(answer["ended"])))
        elif "report" in answer and not is_of(answer["report"], order.task):
            tell(order, None, {"fault": f"Worker {worker.address} answered with the report of another job."})
        else:
            tell(order, None, answer)

    def _again(self, order: Order) -> None:
        order.worker = None
        self._waiting.appendleft(order)

    def _end(self, future: Future[Any]) -> None:
        for worker in self._workers.values():
            for order in worker.orders:
                if order.told is future:
                    order.end_by = time.monotonic() + END_S
                    self._end_on(worker, order)
                    return
        for order in list(self._waiting):
            if order.told is future:
                self._waiting.remove(order)
                tell(order, BrokenProcessPool("no worker was free for it"))

    def _end_on(self, worker: Worker, order: Order | None = None) -> threading.Thread:
        """Have the worker end this job or all of its jobs; in a thread, for it may not answer."""
        tokens = [one.token for one in worker.orders if order in (None, one)]

        def ask() -> None:
            with contextlib.suppress(Exception):
                self._client.run(cluster_work.end, tokens, workers=[worker.address], on_error="ignore")

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        return thread

    def _see_to_the_slow(self, now: float) -> None:
        for worker in self._workers.values():
            late = not worker.tried and now - worker.since > PROBE_S
            if late or any(order.end_by is not None and now > order.end_by for order in worker.orders):
                worker.tried, worker.reason = True, "it does not answer"
                self._tell_of(worker)
                self._lose(worker, "does not answer")

    def _lose(self, worker: Worker, how: str) -> None:
        if worker.good:
            self._news.append(f"Worker {worker.address} {how}.")
        for order in worker.orders:
            if order.far is not None:
                order.far.cancel()
            tell(order, BrokenProcessPool(f"worker {worker.address} {how}"))
        worker.orders.clear()
