"""Real gradings of real classes: made, started, disturbed and compared."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

from tests.cleanup.graders import descendants, is_alive, parents, words_of

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "labs" / "tcp-server"
REFERENCE = LAB / "reference" / "tcp_server.py"
PATIENCE_S = 300.0
VICTIMS = ("grader", "worker", "forkserver", "session", "supervisor", "host")
T = TypeVar("T")


def reference_class(folder: Path, students: int) -> Path:
    """A class in which all hand in the reference."""
    for number in range(students):
        hand_in(folder, f"student{number:03}", REFERENCE)
    return folder


def mixed_class(folder: Path, mutants: int, references: int) -> Path:
    """Some mutants, each by a student of its name, some references, and a submission without a server."""
    for path in sorted(LAB.glob("mutants/*/tcp_server.py"))[:mutants]:
        hand_in(folder, path.parent.name, path)
    reference_class(folder, references)
    (folder / "zoe").mkdir()
    (folder / "zoe" / "notes.txt").write_text("nothing yet\n")
    return folder


def hand_in(folder: Path, student: str, server: Path) -> Path:
    (folder / student).mkdir(parents=True)
    return Path(shutil.copy(server, folder / student / "tcp_server.py"))


def start(words: Sequence[object], runtime: Path, log: Path) -> subprocess.Popen[bytes]:
    """`lab …` as a process group of its own, with a runtime folder that tells its processes from others'."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "labgrader", *map(str, words)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(ROOT / "src")},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def run(words: Sequence[object], runtime: Path, log: Path) -> int:
    """The exit status of `lab …`."""
    process = start(words, runtime, log)
    try:
        return process.wait(PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def until(condition: Callable[[], T | None], what: str, seconds: float = 60.0) -> T:
    """Wait for `condition` to give something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"within {seconds:.0f} s it did not come to this: {what}"
        time.sleep(0.005)
    return value


def processes(grader: int, kind: str) -> list[int]:
    """The processes of one kind that a running grader has."""
    if kind == "grader":
        return [grader]
    above = parents()
    servers = [p for p, up in above.items() if up == grader and _holds(p, "multiprocessing.forkserver")]
    workers = [p for p, up in above.items() if up in servers]
    if kind == "forkserver":
        return servers
    if kind == "worker":
        return workers
    below = [p for p, up in above.items() if up in workers]
    if kind == "session":
        return [p for p in below if _holds(p, "multiprocessing.forkserver")]
    supervisors = [p for p in below if _holds(p, "supervisor.py")]
    if kind == "supervisor":
        return supervisors
    return [p for one in supervisors for p in descendants(one)]


def _holds(pid: int, word: str) -> bool:
    return any(word in item for item in words_of(pid))


def kill_one(grader: int, kind: str, chance: random.Random) -> bool:
    """`kill -9` one process of that kind, if there is one now."""
    found = processes(grader, kind)
    if not found:
        return False
    try:
        os.kill(chance.choice(found), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def left_over(runtime: Path) -> list[str]:
    """Processes and folders of graders with this runtime folder, a line each."""
    found = [str(path) for path in runtime.glob("labgrader/*")]
    mark = f"XDG_RUNTIME_DIR={runtime}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes() and is_alive(int(entry.name)):
                found.append(f"{entry.name}: {words_of(int(entry.name))}")
        except OSError:
            continue
    return found


def left_over_after(runtime: Path, seconds: float) -> list[str]:
    """What there still is when that time is over, or nothing as soon as nothing is there."""
    deadline = time.monotonic() + seconds
    while (found := left_over(runtime)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def tables(run_folder: Path) -> dict[str, Any]:
    """What must be the same after any disturbance: all that is written, without what is new in every run."""
    reports = {path.stem: json.loads(path.read_text()) for path in (run_folder / "reports").glob("*.json")}
    return {
        "gradebook": (run_folder / "gradebook.csv").read_bytes(),
        "junit": _junit((run_folder / "junit.xml").read_text()),
        "html": _page((run_folder / "report.html").read_text()),
        "students": sorted(path.stem for path in (run_folder / "classroom").glob("*.json")),
        **{student: _without_times(report) for student, report in reports.items()},
    }


def _without_times(report: dict[str, Any]) -> dict[str, Any]:
    # Who lost a machine to a kill is graded on another one, and the report says so: that is no other result.
    new = ("timings", "started", "finished", "retried")
    kept = {name: value for name, value in report.items() if name not in new}
    checks = []
    for check in report["checks"]:
        message = _without_numbers(check["message"])
        gone = ("duration_s", "evidence")
        checks.append(
            {name: value for name, value in check.items() if name not in gone} | {"message": message}
        )
    return {**kept, "checks": checks}


def _without_numbers(text: str) -> str:
    """Ports and tokens are others in every run; what a program printed holds them, too."""
    return re.sub(r"\d[\d.]*", "0", re.sub(r"\b[0-9a-f]{8,}\b", "0", text))


def _junit(text: str) -> list[Any]:
    """The elements of junit.xml in their order, scores as they are, messages without numbers."""
    found: list[Any] = []
    for item in ElementTree.fromstring(text).iter():
        kept = {name: value for name, value in item.items() if name not in ("time", "timestamp", "message")}
        found.append([item.tag, kept, *map(_without_numbers, (item.get("message", ""), item.text or ""))])
    return found


def _page(text: str) -> str:
    """report.html without times and evidence, messages without numbers; scores as they are."""
    for pattern, instead in (
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"<details><summary>[^<]*</summary><pre dir=\"ltr\">[^<]*</pre></details>\n", ""),
    ):
        text, count = re.subn(pattern, instead, text)
        assert count, f"report.html has nothing like {pattern}"
    return re.sub(r"<p>[^<]*</p>", lambda match: _without_numbers(match[0]), text)
