"""What a worker does: one submission, from plain data to plain data; and what a report is final for."""

from __future__ import annotations

import functools
import hashlib
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import labgrader
from labgrader.batch.store import Key
from labgrader.errors import LabError, LabgraderError, SpecError
from labgrader.intake.submission import Submission
from labgrader.model.results import Report, Status
from labgrader.model.spec import Lab
from labgrader.pool import grade_in_worker
from labgrader.runner import ATTEMPTS, Job, rejected

PACKAGE = Path(__file__).resolve().parents[1]
# Whatever of the grader can change a verdict; not how submissions are found or results are shown.
DECIDES = (
    "apply.py", "groundwork.py", "session.py", "session_process.py", "runner.py", "quarantine.py",
    "printable.py", "checking", "guest", "model", "providers", "remote",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What a class is graded with; the same for every student."""

    lab: Lab
    parameters: Mapping[str, int]
    provider: str

    def key(self, submission: str) -> Key:
        """What a report for a submission of this digest is final for."""
        parameters = json.dumps(dict(self.parameters), sort_keys=True)
        return Key(submission, self.lab.digest, parameters, self.provider, grader_version())


@dataclass(frozen=True)
class Task:
    """One submission to be graded by whatever worker; plain data, to be pickled."""

    job: Job
    provider: str
    attempts: int = ATTEMPTS


def work(task: Task) -> dict[str, Any]:
    """Grade a task in a worker.

    Gives {"report": …}, the report's JSON form; {"spec": sentence} for a lab that its author must mend; or
    {"fault": sentence} for a failure of ours. Nothing but the end of the worker keeps it from answering.
    """
    try:
        return {"report": grade_in_worker(task.job, task.provider, task.attempts).to_json()}
    except SpecError as error:
        return {"spec": error.message}
    except LabgraderError as error:
        return {"fault": error.message}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {"fault": f"labgrader itself failed ({place}): {type(error).__name__}: {error}"}


def unfinished(setting: Setting, submission: Submission, why: str) -> Report:
    """The report for a submission that we failed to grade."""
    report = rejected(setting.lab, setting.parameters, setting.provider, submission.student, why)
    return replace(
        report,
        status=Status.INCOMPLETE,
        submission_digest=submission.digest,
        notes=submission.notes,
        rejected_score=0.0,
    )


def digest_of_refusal(why: str) -> str:
    """What stands for the digest of a submission that cannot be used: why."""
    return "rejected:" + hashlib.sha256(why.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def grader_version() -> str:
    """The version with a digest of the modules that decide verdicts: a checkout changes between releases."""
    total = hashlib.sha256()
    try:
        for name in DECIDES:
            top = PACKAGE / name
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and "__pycache__" not in path.parts:
                    total.update(f"{path.relative_to(PACKAGE)}\0".encode())
                    total.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise LabError(f"labgrader's own files cannot be read: {error}.") from error
    return f"{labgrader.__version__}+{total.hexdigest()[:12]}"
