"""What a worker of a cluster does: it takes a job and its lab as bytes, and gives a report back as bytes.

Both sides are here, so that they stay one format. A worker has labgrader itself, of the very same version;
the lab, its templates and the submission come with the job. Nothing of a student's is ever unpickled.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import multiprocessing
import shutil
import threading
import zlib
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path, PurePosixPath
from typing import Any

import distributed

from labgrader.batch import work
from labgrader.batch.lanes import Lanes
from labgrader.batch.work import Task
from labgrader.errors import LabError, LabgraderError
from labgrader.intake.submission import Submission
from labgrader.model import spec
from labgrader.model.spec import Lab
from labgrader.providers import provider
from labgrader.runner import Job

FORMAT = "labgrader.job/1"
LEFT_OUT = ("mutants", "__pycache__")

_lock = threading.Lock()
_lanes: list[Lanes] = []
_running: dict[str, Future[Any]] = {}
_labs: dict[str, tuple[Lab, str]] = {}


def packed(lab: Lab) -> bytes:
    """The lab's folder and the templates that it may use, by their paths on a worker. Raises LabError."""
    shared = (spec.labs_folder().parent / "templates", lab.folder.parent.parent / "templates")
    files: dict[str, str] = {}
    try:
        # The later one goes before the earlier one, as where templates are looked for.
        for root, place in [(root, "templates") for root in shared] + [(lab.folder, f"labs/{lab.name}")]:
            for path in sorted(root.rglob("*")):
                parts = path.relative_to(root).parts
                if path.is_file() and parts[0] not in LEFT_OUT and "__pycache__" not in parts:
                    data = path.read_bytes()
                    files["/".join((place, *parts))] = base64.b64encode(data).decode()
    except OSError as error:
        raise LabError(f"{lab.folder} cannot be read: {error}.") from error
    return zlib.compress(json.dumps(files, sort_keys=True).encode())


def order(task: Task, token: str, bundle: str) -> bytes:
    """A task as bytes for `run`; `bundle` is the digest of what `packed` gave, `token` a name for `end`."""
    job = task.job
    return json.dumps(
        {
            "format": FORMAT,
            "version": work.grader_version(),
            "token": token,
            "bundle": bundle,
            "lab": {"name": job.lab.name, "digest": job.lab.digest, "folder": str(job.lab.folder)},
            "provider": task.provider,
            "attempts": task.attempts,
            "parameters": dict(job.parameters),
            "seed": job.seed,
            "all_count": job.all_count,
            "submission": {
                "student": job.submission.student,
                "digest": job.submission.digest,
                "notes": list(job.submission.notes),
                "files": {n: base64.b64encode(d).decode() for n, d in job.submission.files.items()},
            },
        }
    ).encode()


def digest(bundle: bytes) -> str:
    """The name of a packed lab."""
    return "sha256:" + hashlib.sha256(bundle).hexdigest()


def probe(version: str, provider_name: str) -> bytes:
    """On a worker: JSON {"reason": why it cannot grade with that provider and version, or null}."""
    try:
        reason = _stranger(FORMAT, version)
        if reason is None:
            reason = _own_lanes().submit(_trial, provider_name).result()
    except (Exception, SystemExit) as error:
        reason = f"its trial failed: {str(error) or type(error).__name__}"
    return json.dumps({"reason": reason}).encode()


def run(request: bytes, bundle: bytes) -> bytes:
    """On a worker: grade what `order` made, on the lab that `packed` made.

    Gives as JSON what `work.work` gives, or {"ended": why} if the process that graded died, or
    {"refused": why} if this worker is not one for this job.
    """
    try:
        asked = json.loads(request)
        if reason := _stranger(asked["format"], asked["version"]):
            return json.dumps({"refused": reason}).encode()
        lab = _laid_out(bundle, asked)
        answer = _graded(asked["token"], _task(asked, lab))
        # Sentences of a lab's author name files; theirs, not our copies of them.
        ours, theirs = (json.dumps(str(path))[1:-1] for path in (lab.folder, asked["lab"]["folder"]))
        return json.dumps(answer).replace(ours, theirs).encode()
    except LabgraderError as error:
        return json.dumps({"fault": error.message}).encode()
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        return json.dumps({"fault": f"the worker could not take the job ({words})"}).encode()


def end(tokens: list[str]) -> None:
    """On a worker: end the processes that grade these; what is not running is no matter."""
    for token in tokens:
        if (future := _running.get(token)) is not None:
            _own_lanes().end(future)


def _stranger(form: str, version: str) -> str | None:
    if form != FORMAT or version != work.grader_version():
        mine = work.grader_version()
        return f"its labgrader is {mine}, the one that asks is {version}; have the same checkout on both"
    if multiprocessing.current_process().daemon:
        return "it is kept by a nanny, which forbids it processes of its own; start it with --no-nanny"
    return None


def _own_lanes() -> Lanes:
    """This worker's lanes: processes as those of a grading without a cluster, one for each of its threads."""
    with _lock:
        if not _lanes:
            _lanes.append(Lanes(distributed.get_worker().state.nthreads))
        return _lanes[0]


def _graded(token: str, task: Task) -> dict[str, Any]:
    lanes = _own_lanes()
    try:
        future = lanes.submit(work.work, task)
        _running[token] = future
        return future.result()
    except (BrokenProcessPool, SystemExit):
        with contextlib.suppress(LabgraderError):
            provider(task.provider).clean()
        return {"ended": "the process that graded it was ended"}
    finally:
        _running.pop(token, None)


def _task(asked: dict[str, Any], lab: Lab) -> Task:
    came = asked["submission"]
    files = {name: base64.b64decode(text) for name, text in came["files"].items()}
    submission = Submission(came["student"], files, came["digest"], tuple(came["notes"]))
    job = Job(lab, submission, asked["parameters"], asked["seed"], asked["all_count"])
    return Task(job, asked["provider"], asked["attempts"])


def _laid_out(bundle: bytes, asked: dict[str, Any]) -> Lab:
    """The lab as files in this worker's own folder: once, and again if a file is not as it came."""
    name = asked["bundle"]
    if digest(bundle) != name:
        raise LabError("The lab did not arrive as it was sent.")
    root = Path(distributed.get_worker().local_directory) / f"lab-{name[-16:]}"
    with _lock:
        lab, seen = _labs.get(name, (None, ""))
        if lab is None or _digest_of_files(root) != seen:
            shutil.rmtree(root, ignore_errors=True)
            _write(root, json.loads(zlib.decompress(bundle)))
            lab = spec.load(root / "labs" / asked["lab"]["name"] / "lab.yaml")
            # A digest is over a checkout's shared templates, too; here it is that of the folder it came from.
            lab = lab.model_copy(update={"digest": asked["lab"]["digest"]})
            _labs[name] = (lab, _digest_of_files(root))
    return lab


def _write(root: Path, files: dict[str, str]) -> None:
    # Hidden checks and the reference are among them; nobody else on the worker's machine may read these.
    root.mkdir(0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    for name, text in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise LabError(f"The lab that was sent holds {name!r}, a file outside of it.")
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(text))


def _digest_of_files(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(f"{path.relative_to(root)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _trial(name: str) -> str | None:
    """In a lane: make a lab and remove it, or for machines that are dear look at what they need."""
    from labgrader.doctor_findings import State, verdict

    if name == "netns":
        from labgrader.providers.netns.doctor import try_lab
        from labgrader.providers.netns.doctor_image import image_there

        if not image_there():
            return "it has no image of the hosts; call ./lab doctor --fix there"
        found = try_lab()
        return None if found.state is State.OK else f"{found.message}; ./lab doctor there tells more"
    from labgrader.providers.vagrant import doctor as vagrant

    findings = list(vagrant.findings())
    if verdict(name, findings).usable:
        return None
    lacking = next(
        (item.message for item in findings if item.state is State.LACKS), "nothing to make machines"
    )
    return f"{lacking}; ./lab doctor there tells more"
