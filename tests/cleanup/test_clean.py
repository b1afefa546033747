"""`clean` removes what killed runs left behind, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.providers.netns import cgroups, runtime
from tests.cleanup.graders import Grader, is_alive, until, words_of

pytestmark = pytest.mark.namespaces
Start = Callable[[Path], Grader]


def test_lab_whose_supervisor_hangs_is_removed(grader: Start, sleeper: Path) -> None:
    run = grader(sleeper)
    lab = run.await_phase("checking")
    supervisor = lab.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGSTOP)
    run.signal(signal.SIGKILL)
    run.end()
    assert lab.lives(), "the lab outlives its grader, because its supervisor cannot act"

    removed = runtime.clean()

    run.assert_nothing_remains()
    assert f"process {supervisor} (supervisor of lab {lab.id})" in removed
    assert f"folder {lab.folder}" in removed
    assert runtime.clean() == []


def test_what_a_lab_left_without_any_process_is_removed(grader: Start, sleeper: Path) -> None:
    run = grader(sleeper)
    lab = run.await_phase("checking")
    supervisor = lab.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGSTOP)
    run.signal(signal.SIGKILL)
    run.end()
    os.kill(supervisor, signal.SIGKILL)
    run.assert_nothing_lives()
    left = lab.remains()
    assert f"folder {lab.folder}" in left
    ours = [path for path in cgroups.leftovers() if lab.id in path.name]

    removed = runtime.clean()

    assert sorted(removed) == sorted([f"folder {lab.folder}", *(f"cgroup {path}" for path in ours)])
    run.assert_nothing_remains()


def test_running_lab_is_left_alone(grader: Start, sleeper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = grader(sleeper)
    lab = run.await_phase("checking")
    groups = [path for path in cgroups.leftovers() if lab.id in path.name]
    inits = [pid for pid in lab.processes() if "/usr/lib/labgrader/init.py" in words_of(pid)]
    assert len(inits) >= 2

    here = runtime.clean()
    with tempfile.TemporaryDirectory(prefix="lg-", dir="/tmp") as other:
        monkeypatch.setenv("XDG_RUNTIME_DIR", other)
        elsewhere = runtime.clean()

    assert not [line for line in here + elsewhere if lab.id in line]
    assert run.process.poll() is None
    assert lab.supervisor() is not None and all(is_alive(pid) for pid in inits)
    assert [path for path in cgroups.leftovers() if lab.id in path.name] == groups
    assert lab.folder.is_dir()
    run.signal(signal.SIGINT)
    run.end()
    run.assert_nothing_remains()


@pytest.fixture
def cgroup_home() -> Path:
    """A cgroup directory in which this machine lets us make others."""
    for path in (cgroups.ROOT / "pids", cgroups.ROOT):
        if os.access(path, os.W_OK) and (path / "cgroup.procs").exists():
            return path
    pytest.skip("not applicable: no cgroup directory is writable here")


@pytest.fixture
def foreign_cgroups(cgroup_home: Path) -> Iterator[list[Path]]:
    """Cgroups that begin as ours do and are not: made by somebody else's program."""
    names = (
        "labgrader-foo",
        "labgrader-0123456",
        "labgrader-0123456789-v0",
        "labgrader-notes-v0",
        "labgrader-ABCDEF01-v0",
    )
    paths = [cgroup_home / name for name in names]
    for path in paths:
        path.mkdir()
    yield paths
    for path in paths:
        if path.exists():
            path.rmdir()


def test_what_is_not_ours_is_left_alone(runtime_dir: Path, foreign_cgroups: list[Path]) -> None:
    root = runtime.root()
    (root / "deadbeef").write_text("a file, though it is called as a lab is")
    (root / "notes").mkdir()
    (root / "notes" / "keep").touch()
    (runtime_dir / "elsewhere").mkdir()
    (runtime_dir / "elsewhere" / "keep").touch()
    (root / "cafecafe").symlink_to(runtime_dir / "elsewhere")
    (root / "ABCDEF01").mkdir()

    removed = runtime.clean()

    assert not [
        line for line in removed if str(root) in line or any(str(path) in line for path in foreign_cgroups)
    ]
    assert {path.name for path in root.iterdir()} == {"deadbeef", "notes", "cafecafe", "ABCDEF01"}
    assert (runtime_dir / "elsewhere" / "keep").exists() and (root / "notes" / "keep").exists()
    assert all(path.is_dir() for path in foreign_cgroups)


def test_process_that_only_speaks_of_a_lab_is_left_alone(runtime_dir: Path) -> None:
    root = runtime.root()
    (root / "0badcafe").mkdir()
    path = str(Path(runtime.__file__).with_name("supervisor.py"))
    sleep = "import sys; sys.stdin.read()"
    # As an editor or a pager would have it in its command line.
    argvs = [[sys.executable, "-c", sleep, path, "0badcafe", "-v"], [sys.executable, "-c", sleep, "0badcafe"]]
    bystanders = [subprocess.Popen(argv, stdin=subprocess.PIPE) for argv in argvs]
    try:
        for one in bystanders:
            until(lambda one=one: Path(f"/proc/{one.pid}/cmdline").read_bytes(), 30, "it runs")  # type: ignore[misc]

        removed = runtime.clean()

        assert f"folder {root / '0badcafe'}" in removed
        assert not [line for line in removed if line.startswith("process")]
        assert [one.poll() for one in bystanders] == [None, None]
    finally:
        for one in bystanders:
            one.communicate()


def test_old_cgroup_of_a_lab_without_a_folder_is_removed(runtime_dir: Path, cgroup_home: Path) -> None:
    young, old = cgroup_home / "labgrader-00000001-v0", cgroup_home / "labgrader-00000002-v0"
    for path in (young, old):
        path.mkdir()
    try:
        os.utime(old, (time.time() - 3600, time.time() - 3600))

        removed = runtime.clean()

        assert f"cgroup {old}" in removed and not old.exists()
        assert young.is_dir(), "another runtime folder's lab may be about to enter it"
    finally:
        for path in (young, old):
            if path.exists():
                path.rmdir()


def test_cgroup_of_another_runtime_folder_s_lab_is_left_alone_while_it_has_processes(
    runtime_dir: Path, cgroup_home: Path
) -> None:
    path = cgroup_home / "labgrader-00000003-v0"
    path.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as member:
        (path / "cgroup.procs").write_text(str(member.pid))
        os.utime(path, (time.time() - 3600, time.time() - 3600))
        try:
            removed = runtime.clean()
        finally:
            (cgroup_home / "cgroup.procs").write_text(str(member.pid))
            member.communicate()
            path.rmdir()
    assert not [line for line in removed if "00000003" in line]


def test_looking_for_cgroups_while_others_come_and_go(cgroup_home: Path) -> None:
    churn = (
        "import os, sys\n"
        "while not os.path.exists(sys.argv[2]):\n"
        "    os.makedirs(sys.argv[1] + '/inner'); os.rmdir(sys.argv[1] + '/inner'); os.rmdir(sys.argv[1])\n"
    )
    stop = Path(f"/tmp/labgrader-churn-{os.getpid()}")
    with subprocess.Popen([sys.executable, "-c", churn, str(cgroup_home / "churn"), str(stop)]) as process:
        try:
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline:
                cgroups.leftovers()
        finally:
            stop.touch()
            process.wait(30)
            stop.unlink()
    assert process.returncode == 0


def test_folder_of_somebody_else_is_refused(runtime_dir: Path) -> None:
    (runtime_dir / "labgrader").symlink_to(runtime_dir)
    with pytest.raises(LabError, match="not a folder of this user's"):
        runtime.root()
    (runtime_dir / "labgrader").unlink()
    (runtime_dir / "labgrader").touch()
    with pytest.raises(LabError, match=r"cannot be made|not a folder"):
        runtime.root()


def test_open_folder_of_ours_is_closed(runtime_dir: Path) -> None:
    (runtime_dir / "labgrader").mkdir(mode=0o755)
    assert runtime.root().stat().st_mode & 0o777 == 0o700
    shutil.rmtree(runtime_dir / "labgrader")
