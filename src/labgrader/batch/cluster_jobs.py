"""What a grader knows of a cluster's workers and of the jobs that it gave them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from labgrader.batch.work import Task
from labgrader.errors import LabError
from labgrader.printable import printable

PAUSED = "it takes no jobs (Dask has paused it)"


@dataclass(eq=False)
class Worker:
    """A worker of the cluster; `reason` is why it is left out, `tried` says whether that is known."""

    address: str
    threads: int
    since: float
    tried: bool = False
    reason: str | None = None
    awake: bool = True
    orders: list[Order] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.tried and self.reason is None

    @property
    def may_take_one(self) -> bool:
        """Whether a job may come to it: it takes some now, has some to do first, or is not tried yet."""
        return not self.tried or (self.good and (self.awake or bool(self.orders)))


@dataclass(eq=False)
class Order:
    """A job on its way; `told` is what the grading holds, `far` what Dask gave for it."""

    task: Task
    token: str
    told: Future[dict[str, Any]]
    worker: Worker | None = None
    far: Future[bytes] | None = None
    end_by: float | None = None


def is_of(report: object, task: Task) -> bool:
    """Whether this is the report of that job: of its student, files, lab, parameters and provider."""
    job = task.job
    wanted = {
        "lab": job.lab.name,
        "lab_digest": job.lab.digest,
        "provider": task.provider,
        "parameters": dict(job.parameters),
        "student": job.submission.student,
        "submission_digest": job.submission.digest,
    }
    return isinstance(report, dict) and all(report.get(name) == value for name, value in wanted.items())


def tell(order: Order, failure: Exception | None, answer: dict[str, Any] | None = None) -> None:
    if order.told.done():
        return
    if failure is not None:
        order.told.set_exception(failure)
    else:
        order.told.set_result(answer or {})


def new_key(kind: str) -> str:
    return f"labgrader-{kind}-{uuid.uuid4().hex}"


def words(error: BaseException) -> str:
    told = error.strerror if isinstance(error, OSError) else None
    return printable(told or str(error) or type(error).__name__, 300).rstrip(".")


def nobody(address: str, there: Sequence[Worker]) -> LabError:
    """What to tell where no worker can grade, with the reason of each."""
    if not there:
        return LabError(
            f"The scheduler at {address} has no workers; start some (docs/scaling.md), and call the same "
            f"command again."
        )
    reasons = "; ".join(f"{one.address}: {printable(one.reason or PAUSED, 400)}" for one in there)
    return LabError(f"No worker of the cluster at {address} can grade. {reasons}.")
