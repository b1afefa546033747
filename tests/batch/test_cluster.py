"""Classes graded by real workers of a real Dask scheduler, which are killed, strangers, late or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest

from labgrader.batch import cluster, cluster_executor, cluster_jobs, cluster_work, work
from labgrader.batch.work import Task
from labgrader.errors import LabError
from labgrader.intake.submission import Submission
from labgrader.model import spec
from labgrader.runner import Job
from tests.batch import canned, clusters, gradings
from tests.batch.clusters import LocalCluster
from tests.batch.gradings import LAB, ROOT, until
from tests.batch.test_killed import judged, lab

AT_ONCE_S = 10.0

pytestmark = pytest.mark.long


@pytest.fixture
def far(runtime: Path, tmp_path: Path) -> Iterator[LocalCluster]:
    with clusters.cluster(tmp_path / "cluster", runtime) as made:
        yield made


def words(students: Path, run: Path, address: str) -> list[object]:
    return ["grade", "tcp-server", students, "--out", run, "--scheduler", address]


@pytest.mark.namespaces
@pytest.mark.slow
def test_one_of_two_workers_is_killed_and_the_tables_are_the_same(
    far: LocalCluster, runtime: Path, tmp_path: Path
) -> None:
    students = gradings.mixed_class(tmp_path / "class", 0, 4)
    gradings.hand_in(students, "max", LAB / "mutants/address-without-port/tcp_server.py")
    victim, _other = far.worker(), far.worker()
    log, run, peace = tmp_path / "log", tmp_path / "run", tmp_path / "peace"
    here: list[object] = ["grade", "tcp-server", students, "--out", tmp_path / "here", "--jobs", 2]
    assert gradings.run(here, runtime, log) == 0, log.read_text()
    until(lambda: far.log().count("Registered to") == 2, "both workers are up")
    assert gradings.run(words(students, peace, far.address), runtime, log) == 0, log.read_text()
    assert log.read_text().count("takes part, with 1 at once") == 2
    assert gradings.tables(peace) == gradings.tables(tmp_path / "here")

    process = gradings.start(words(students, run, far.address), runtime, log)
    until(lambda: len(judged(run)) >= 2, "two are judged")
    far.kill(victim)
    assert process.wait(gradings.PATIENCE_S) == 0, log.read_text()
    assert gradings.tables(run) == gradings.tables(tmp_path / "here")
    assert set(judged(run).values()) == {1} and len(judged(run)) == 6
    assert log.read_text().count(" left the cluster.") == 1
    assert log.read_text().count("; doing it again.") <= 1


@pytest.mark.namespaces
@pytest.mark.slow
def test_a_job_whose_workers_die_twice_is_incomplete_and_tried_again_at_the_end(
    far: LocalCluster, runtime: Path, tmp_path: Path
) -> None:
    students, run, log = gradings.reference_class(tmp_path / "class", 1), tmp_path / "run", tmp_path / "log"
    worker = far.worker()
    until(lambda: "Registered to" in far.log(), "the worker is up")
    process = gradings.start(words(students, run, far.address), runtime, log)
    for _ in range(2):
        until(
            lambda: list(runtime.glob("labgrader/*/*.sock")) and "takes part" in log.read_text(),
            "a lab is up",
        )
        far.kill(worker)
        # Its lab goes with it, and whoever comes later is tried and takes part.
        until(lambda: not list(runtime.glob("labgrader/*/*.sock")), "the lab is gone")
        log.write_text("")
        worker = far.worker()
    assert process.wait(gradings.PATIENCE_S) == 0, log.read_text()
    with sqlite3.connect(run / "run.sqlite") as connection:
        first, last = (json.loads(text) for (text,) in connection.execute("SELECT report FROM judging"))
    assert (first["status"], last["status"], last["score"]) == ("incomplete", "graded", 100.0)
    assert "was ended, 2 times" in first["error"] and "left the cluster" in first["error"]


@pytest.mark.namespaces
def test_ctrl_c_ends_the_labs_and_the_same_command_goes_on(
    far: LocalCluster, runtime: Path, tmp_path: Path
) -> None:
    students, run, log = gradings.reference_class(tmp_path / "class", 3), tmp_path / "run", tmp_path / "log"
    far.worker()
    until(lambda: "Registered to" in far.log(), "the worker is up")
    process = gradings.start(words(students, run, far.address), runtime, log)
    until(
        lambda: judged(run) and list(runtime.glob("labgrader/*/*.sock")), "one is judged, the next one begun"
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130, log.read_text()
    assert f"Stopped. What is graded is kept in {run}; the same command goes on" in log.read_text()
    until(lambda: not list(runtime.glob("labgrader/*")), "the worker's lab is gone", 10.0)
    before = judged(run)
    assert 0 < len(before) < 3
    assert gradings.run(words(students, run, far.address), runtime, log) == 0
    assert judged(run) == {f"student{number:03}": 1 for number in range(3)}


@pytest.mark.namespaces
def test_workers_that_cannot_grade_are_left_out_with_the_reason(
    far: LocalCluster, runtime: Path, tmp_path: Path
) -> None:
    students, run, log = gradings.reference_class(tmp_path / "class", 1), tmp_path / "run", tmp_path / "log"
    assert gradings.run(words(students, run, far.address), runtime, log) == 3
    assert log.read_text().startswith(f"The scheduler at {far.address} has no workers; start some")

    other = tmp_path / "other"
    shutil.copytree(ROOT / "src", other, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "labgrader" / "session.py").open("a") as stream:
        stream.write("# Another version.\n")
    far.worker(PYTHONPATH=str(other))
    far.worker(XDG_CACHE_HOME=str(tmp_path / "nothing"))
    far.worker(nanny=True)
    until(lambda: far.log().count("Registered to") == 3, "three workers are up")
    log.write_text("")
    assert gradings.run(words(students, run, far.address), runtime, log) == 3
    (said,) = log.read_text().splitlines()
    assert said.startswith(f"No worker of the cluster at {far.address} can grade. ")
    assert "have the same checkout on both" in said
    assert "it has no image of the hosts; call ./lab doctor --fix there" in said
    assert "start it with --no-nanny" in said
    assert judged(run) == {}

    far.worker()
    until(lambda: far.log().count("Registered to") == 4, "a good one is up")
    log.write_text("")
    assert gradings.run(words(students, run, far.address), runtime, log) == 0, log.read_text()
    assert judged(run) == {"student000": 1}
    assert log.read_text().count("takes part") == 1


@pytest.mark.namespaces
def test_a_job_can_be_ended_and_the_end_of_all_workers_and_of_the_scheduler_is_told(
    far: LocalCluster, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_executor, "NOBODY_S", 1.0)
    monkeypatch.setattr(cluster_executor, "SCHEDULER_S", 1.0)
    monkeypatch.setattr(cluster_executor, "ASK_S", 1.0)
    worker = far.worker()
    until(lambda: "Registered to" in far.log(), "the worker is up")
    task = a_task(gradings.REFERENCE.read_bytes())
    with cluster.connect(far.address, canned.setting()) as workers:
        assert workers.places == 1
        overdue, queued = workers.submit(work.work, task), workers.submit(work.work, task)
        until(lambda: list(runtime.glob("labgrader/*/*.sock")), "a lab is up")
        workers.end(overdue)
        assert "was ended" in str(overdue.exception(30))
        assert queued.result(60)["report"]["score"] == 100.0  # on the same worker
        assert [line.partition("takes part")[1] for line in workers.news()] == ["takes part"]

        running = workers.submit(work.work, task)
        until(lambda: list(runtime.glob("labgrader/*/*.sock")), "another lab is up")
        far.kill(worker)
        assert "left the cluster" in str(running.exception(30))
        last = workers.submit(work.work, task).exception(30)
        assert isinstance(last, LabError) and "has no workers" in last.message
    far.worker()
    until(lambda: far.log().count("Registered to") == 2, "another worker is up")
    with cluster.connect(far.address, canned.setting()) as workers:
        far.kill(far.scheduler)
        last = workers.submit(work.work, task).exception(60)
        assert isinstance(last, LabError) and "does not answer any more" in last.message


@pytest.mark.namespaces
def test_a_job_waits_for_a_worker_that_pauses_and_not_for_ever(
    far: LocalCluster, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within the test, so that it is sent to the worker by value.
    def to_status(name: str, dask_worker: distributed.Worker) -> None:
        dask_worker.status = type(dask_worker.status)[name]

    far.worker()
    until(lambda: "Registered to" in far.log(), "the worker is up")
    with (
        distributed.Client(far.address, set_as_default=False) as client,  # type: ignore[no-untyped-call]
        cluster.connect(far.address, canned.setting()) as workers,
    ):
        client.run(to_status, "paused")
        until(lambda: not next(iter(workers._workers.values())).awake, "it is seen to pause")
        job = workers.submit(work.work, a_task(gradings.REFERENCE.read_bytes()))
        until(lambda: workers._waiting, "the job waits")
        assert workers.waits(job) and not job.done()
        client.run(to_status, "running")
        until(lambda: not workers.waits(job), "it is given out")
        assert job.result(60)["report"]["score"] == 100.0

        monkeypatch.setattr(cluster_executor, "PAUSED_S", 1.0)
        client.run(to_status, "paused")
        until(lambda: not next(iter(workers._workers.values())).awake, "it is seen to pause again")
        last = workers.submit(work.work, a_task()).exception(60)
        assert isinstance(last, LabError) and "it takes no jobs (Dask has paused it)" in last.message


def test_addresses_where_no_scheduler_is_are_told_at_once(tmp_path: Path) -> None:
    gradings.reference_class(tmp_path / "class", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        for place, status, said in (
            (f"tcp://127.0.0.1:{closed.getsockname()[1]}", 3, "cannot be reached: Connection refused"),
            (f"tcp://127.0.0.1:{mute.getsockname()[1]}", 3, "cannot be reached: it does not answer"),
            (f"tls://127.0.0.1:{mute.getsockname()[1]}", 2, "takes a certificate of this machine"),
            ("head", 2, "write it as tcp://HOST:8786"),
            ("tcp://head:port", 2, "write it as tcp://HOST:8786"),
        ):
            began = time.monotonic()
            done = lab(*words(tmp_path / "class", tmp_path / "run", place), cwd=tmp_path)
            assert (done.returncode, done.stdout) == (status, ""), done
            assert said in done.stderr and len(done.stderr.splitlines()) == 1
            assert time.monotonic() - began < AT_ONCE_S


def test_without_the_library_the_remedy_is_told(tmp_path: Path) -> None:
    gradings.reference_class(tmp_path / "class", 1)
    program = (
        "import sys; sys.modules['distributed'] = None; from labgrader.__main__ import main; sys.exit(main())"
    )
    argv = words(tmp_path / "class", tmp_path / "run", "tcp://127.0.0.1:8786")
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *map(str, argv)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--scheduler needs the library distributed") and "./lab" in done.stderr


def a_task(server: bytes = b"\xff\x00") -> Task:
    made = canned.setting()
    submission = Submission("ann", {"tcp_server.py": server}, "sha256:1", ("A note \ud800.",))
    return Task(Job(made.lab, submission, made.parameters), "netns")


@pytest.fixture
def on_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """As if this process were a worker with a folder of its own; the tasks that come to be graded."""
    came: list[Task] = []

    def graded(_: str, task: Task) -> dict[str, Any]:
        came.append(task)
        return {"spec": f"{task.job.lab.folder}/lab.yaml:3: not so."}

    place = SimpleNamespace(local_directory=str(tmp_path / "w"), state=SimpleNamespace(nthreads=1))
    monkeypatch.setattr(distributed, "get_worker", lambda: place)
    monkeypatch.setattr(cluster_work, "_graded", graded)
    monkeypatch.setattr(cluster_work, "_labs", {})
    return came


def test_a_task_and_its_lab_arrive_as_they_were(on_worker: list[Task], tmp_path: Path) -> None:
    sent = a_task()
    bundle = cluster_work.packed(sent.job.lab)
    request = cluster_work.order(sent, "token", cluster_work.digest(bundle))
    answer = json.loads(cluster_work.run(request, bundle))
    (task,) = on_worker
    folder = task.job.lab.folder
    assert answer == {"spec": f"{sent.job.lab.folder}/lab.yaml:3: not so."}
    assert folder.is_relative_to(tmp_path / "w")
    assert task.job.submission == sent.job.submission and task.job.parameters == sent.job.parameters
    assert task.job.lab == sent.job.lab.model_copy(update={"folder": folder})
    for path in [*LAB.glob("checks/*.py"), *LAB.glob("reference/*"), LAB / "lab.yaml"]:
        assert (folder / path.relative_to(LAB)).read_bytes() == path.read_bytes()
    for path in (ROOT / "templates").glob("*.j2"):
        assert (folder.parents[1] / "templates" / path.name).read_bytes() == path.read_bytes()
    assert not (folder / "mutants").exists()
    assert folder.parents[1].stat().st_mode & 0o777 == 0o700

    # Whatever has been done to the copy, the next job has the lab as it was sent.
    (folder / "lab.yaml").write_text("name: other\n")
    (folder / "checks" / "conftest.py").write_text("raise SystemExit\n")
    assert "spec" in json.loads(cluster_work.run(request, bundle))
    assert (folder / "lab.yaml").read_bytes() == (LAB / "lab.yaml").read_bytes()
    assert not (folder / "checks" / "conftest.py").exists()


def test_a_lab_beside_its_own_templates_takes_these(on_worker: list[Task], tmp_path: Path) -> None:
    shutil.copytree(LAB, tmp_path / "labs" / "tcp-server", ignore=shutil.ignore_patterns("mutants"))
    (tmp_path / "templates").mkdir()
    shared = next((ROOT / "templates").glob("*.j2")).name
    (tmp_path / "templates" / shared).write_text("mine")
    own = spec.load(tmp_path / "labs" / "tcp-server" / "lab.yaml")
    bundle = cluster_work.packed(own)
    sent = a_task()
    job = Job(own, sent.job.submission, sent.job.parameters)
    cluster_work.run(cluster_work.order(Task(job, "netns"), "t", cluster_work.digest(bundle)), bundle)
    (task,) = on_worker
    assert task.job.lab.digest == own.digest
    top = task.job.lab.folder.parents[1] / "templates"
    assert (top / shared).read_text() == "mine"
    assert {path.name for path in top.iterdir()} == {path.name for path in (ROOT / "templates").iterdir()}


@pytest.mark.parametrize("name", ["../outside", "/outside", "labs/../../outside"])
def test_a_lab_with_a_file_outside_of_it_or_of_another_digest_is_not_laid_out(
    on_worker: list[Task], tmp_path: Path, name: str
) -> None:
    bundle = zlib.compress(json.dumps({name: "AAAA"}).encode())
    request = cluster_work.order(a_task(), "token", cluster_work.digest(bundle))
    assert "outside of it" in json.loads(cluster_work.run(request, bundle))["fault"]
    assert "did not arrive" in json.loads(cluster_work.run(request, bundle + b"\0"))["fault"]
    assert on_worker == [] and not (tmp_path / "outside").exists()


def test_what_is_no_job_of_ours_is_refused_or_told(on_worker: list[Task]) -> None:
    request = json.loads(cluster_work.order(a_task(), "token", "sha256:0"))
    for field in ("version", "format"):
        other = json.dumps({**request, field: "another"}).encode()
        assert "same checkout" in json.loads(cluster_work.run(other, b""))["refused"]
    for data in (b"", b"[]", b"{}", b"\x80\x04."):
        assert "could not take the job" in json.loads(cluster_work.run(data, b""))["fault"]
    assert on_worker == []


def test_a_report_counts_for_its_own_job_only() -> None:
    task = a_task()
    report = canned.report_of(task)["report"]
    assert cluster_jobs.is_of(report, task)
    for field in ("lab", "lab_digest", "provider", "parameters", "student", "submission_digest"):
        assert not cluster_jobs.is_of({**report, field: "another's"}, task)
    strangers: tuple[object, ...] = (None, [], "report", 3)
    assert not any(cluster_jobs.is_of(data, task) for data in strangers)


def test_no_worker_left_is_told_once_and_ends_the_grading(tmp_path: Path) -> None:
    """A grading does not count the end of the cluster as the end of a job."""

    class Gone(canned.Canned):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(cluster_jobs.nobody("tcp://head:8786", []))
            return future

    students = canned.hand_in(tmp_path / "class", ann="good", bob="good")
    with pytest.raises(LabError, match=r"tcp://head:8786 has no workers; start some"):
        canned.grade(tmp_path / "run", students, Gone())
