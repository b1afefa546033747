"""A real grader in a process of its own, and all that its lab has on this machine, as seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from labgrader.providers.netns import cgroups

ROOT = Path(__file__).resolve().parents[2]
GOOD = ROOT / "examples/submissions/tcp_server.py"
PHASE_S = 60.0  # for a phase to come, on a busy machine
GONE_S = 5.0  # for all of a lab to be gone
T = TypeVar("T")


def until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """Wait for `condition` to give something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"within {seconds:.0f} s it did not come to this: {what}"
        time.sleep(0.005)
    return value


def words_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def parents() -> dict[int, int]:
    """Every process's parent."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    above = parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in above.items() if parent == one]
    return found[1:]


def pid_namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def is_alive(pid: int) -> bool:
    """A zombie of ours, whom nobody waited for yet, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Lab:
    """One lab of a grader's, remembered by what it has: id, supervisor, pid namespaces."""

    def __init__(self, lab_id: str, folder: Path) -> None:
        self.id = lab_id
        self.folder = folder
        # Kept open, because the kernel gives a namespace's number away again as soon as it is gone.
        self.namespaces: dict[str, int] = {}

    def supervisor(self) -> int | None:
        for pid, parent in parents().items():
            words = words_of(pid)
            forked = words_of(parent) == words  # the supervisor forks without exec
            if self.id in words and any(word.endswith("supervisor.py") for word in words) and not forked:
                return pid
        return None

    def processes(self) -> list[int]:
        supervisor = self.supervisor()
        return [] if supervisor is None else [supervisor, *descendants(supervisor)]

    def look(self) -> None:
        """Remember the pid namespaces that the lab has now: its own and one of each host."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                handle = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
                name = os.readlink(f"/proc/self/fd/{handle}")
                if name in self.namespaces or name == pid_namespace(os.getpid()):
                    os.close(handle)
                else:
                    self.namespaces[name] = handle

    def forget(self) -> None:
        for handle in self.namespaces.values():
            os.close(handle)
        self.namespaces.clear()

    def lives(self) -> list[str]:
        """What there still is of it in the kernel, a line each."""
        pids = [pid for pid in parents() if self.id in words_of(pid) or pid_namespace(pid) in self.namespaces]
        found = [f"process {pid}: {words_of(pid)}" for pid in pids if is_alive(pid)]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if self.id in line or str(self.folder.parent) in line]
        netns = Path("/run/netns")
        found += [
            f"netns {path}" for path in (netns.iterdir() if netns.exists() else []) if self.id in path.name
        ]
        return found

    def remains(self) -> list[str]:
        """What there still is of it, empty directories of its name included."""
        prefix = f"{cgroups.PREFIX}{self.id}-"
        found = [f"cgroup {path}" for path in cgroups.leftovers() if path.name.startswith(prefix)]
        found += [f"folder {self.folder}"] if self.folder.exists() else []
        return found + self.lives()


class Grader:
    """`lab check` as a process with a runtime folder of its own."""

    def __init__(self, runtime: Path, submission: Path, report: Path) -> None:
        self.root = runtime / "labgrader"
        self.report_path = report
        self.labs: dict[str, Lab] = {}
        self.links = set(os.listdir("/sys/class/net"))
        # Files, not pipes: what a stopped supervisor holds open must not keep the test waiting.
        self.said = [report.with_suffix(suffix) for suffix in (".stdout", ".stderr")]
        out, err = (open(path, "w") for path in self.said)  # noqa: SIM115 - closed two lines below
        with out, err:
            self.process = self._start(runtime, submission, out, err)

    def _start(self, runtime: Path, submission: Path, out: IO[str], err: IO[str]) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-P", "-m", "labgrader", "check", "tcp-server", str(submission)]
        return subprocess.Popen(
            [*words, "--json", str(self.report_path)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(ROOT / "src")},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )

    def next_lab(self) -> Lab:
        """Wait for a lab that has not been seen before."""

        def look() -> Lab | None:
            assert self.process.poll() is None, [path.read_text() for path in self.said]
            for folder in self.root.iterdir() if self.root.exists() else []:
                if re.fullmatch("[0-9a-f]{8}", folder.name) and folder.name not in self.labs:
                    return Lab(folder.name, folder)
            return None

        lab = until(look, PHASE_S, "a lab is being made")
        self.labs[lab.id] = lab
        return lab

    def await_phase(self, phase: str) -> Lab:
        """Wait until a new lab is in `phase`: creating, applying or checking."""
        lab = self.next_lab()
        if phase == "creating":
            return lab
        wanted = {"applying": "/usr/lib/labgrader/agent.py", "checking": "tcp_server.py"}[phase]

        def look() -> bool:
            assert self.process.poll() is None, [path.read_text() for path in self.said]
            return any(wanted in words_of(pid) for pid in lab.processes())

        until(look, PHASE_S, f"the lab is at {phase}")
        lab.look()
        assert len(lab.namespaces) == 3, "two hosts' and the lab's own"
        return lab

    def session(self) -> int:
        """The pid of the process that runs the checks."""

        def look() -> int | None:
            for pid in [child for child, parent in parents().items() if parent == self.process.pid]:
                # Of the two children only the session shares the grader's own command line.
                if words_of(pid) == words_of(self.process.pid):
                    return pid
            return None

        return until(look, PHASE_S, "there is a session")

    def signal(self, number: int) -> None:
        """As a terminal does it: to the whole process group, but for SIGTERM and SIGKILL."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self, seconds: float = 120.0) -> tuple[int, str, str]:
        """Wait for its end; (exit status, standard output, standard error)."""
        status = self.process.wait(seconds)
        out, err = (path.read_text() for path in self.said)
        return status, out, err

    def report(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.report_path.read_text())
        return data

    def assert_nothing_lives(self) -> None:
        _until_empty(lambda: [line for lab in self.labs.values() for line in lab.lives()])
        _until_empty(lambda: sorted(set(os.listdir("/sys/class/net")) - self.links))

    def assert_nothing_remains(self) -> None:
        self.assert_nothing_lives()
        _until_empty(lambda: [line for lab in self.labs.values() for line in lab.remains()])
        _until_empty(lambda: list(self.root.iterdir()))


def _until_empty(look: Callable[[], Sequence[object]]) -> None:
    deadline = time.monotonic() + GONE_S
    while there := look():
        assert time.monotonic() < deadline, f"after {GONE_S:.0f} s there still is {there}"
        time.sleep(0.005)
