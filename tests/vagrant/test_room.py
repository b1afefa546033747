"""Whatever happens to a run, nothing of it goes on: rooms inside the room, with long sleepers in them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labgrader.develop import vagrant_tests
from labgrader.errors import UsageError

WAIT_S = 30.0
# One that has left its session and its parent, as a QEMU has, and holds the pipe that is its standard output.
DAEMON = "setsid sleep 600 & echo up"
STARTER = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-P', '-m', 'labgrader.develop.vagrant_room',"
    " *sys.argv[1:]]).wait()"
)


def start(folder: Path, script: str, *, through: str | None = None) -> subprocess.Popen[bytes]:
    """A room with a shell script in it; `through`: a Python program that starts it in its turn."""
    how = ["-m", "labgrader.develop.vagrant_room"] if through is None else ["-c", through]
    return subprocess.Popen(
        [sys.executable, "-P", *how, str(folder), "sh", "-c", script], stdout=subprocess.PIPE, bufsize=0
    )


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], WAIT_S)[0], "it says nothing"
    return process.stdout.readline()


def test_its_status_is_the_commands_and_daemons_end_with_it(tmp_path: Path) -> None:
    with start(tmp_path, f"{DAEMON}; exit 7") as process:
        assert read_line(process) == b"up\n"
        assert process.wait(WAIT_S) == 7
        # The end of the file: no process has the pipe any more.
        assert read_line(process) == b""


def test_everything_ends_with_a_killed_caller(tmp_path: Path) -> None:
    with start(tmp_path, f"{DAEMON}; wait", through=STARTER) as process:
        assert read_line(process) == b"up\n"
        process.kill()
        process.wait()
        assert read_line(process) == b""


def test_sigterm_reaches_the_command_as_ctrl_c(tmp_path: Path) -> None:
    with start(tmp_path, "trap 'echo tidied; exit 5' INT; sleep 600 & echo up; wait") as process:
        assert read_line(process) == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert read_line(process) == b"tidied\n"
        assert process.wait(WAIT_S) == 5


def test_it_shares_no_network_and_no_libvirt(tmp_path: Path) -> None:
    here = os.stat("/var/lib/libvirt").st_ino
    script = "ip -br link | wc -l; grep -c ^libvirt-qemu: /etc/passwd; stat -c %i /var/lib/libvirt"
    with start(tmp_path, script) as process:
        links, users, inode = (int(read_line(process)) for _ in range(3))
        assert process.wait(WAIT_S) == 0
    assert (links, users) == (1, 1)
    assert inode == os.stat(tmp_path / "libvirt" / "var-lib-libvirt").st_ino != here
    assert os.stat("/var/lib/libvirt").st_ino == here


def test_a_killed_runs_folder_is_removed_and_a_living_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    dead = tmp_path / f"{vagrant_tests.PREFIX}deadbeef"
    dead.mkdir()
    (dead / "lock").touch()
    (tmp_path / "labgrader-vm-of-somebody").mkdir()
    with vagrant_tests.room({"PATH": "/bin", "VAGRANT_CWD": "/elsewhere", "XDG_CACHE_HOME": "/kept"}) as one:
        assert not dead.exists()
        with vagrant_tests.room({}) as other:
            assert all(Path(environment["HOME"]).is_dir() for _, environment in (one, other))
        assert Path(one[1]["HOME"]).is_dir()
        assert "VAGRANT_CWD" not in one[1]
        assert one[1]["XDG_CACHE_HOME"] == "/kept"
    assert [path.name for path in tmp_path.iterdir()] == ["labgrader-vm-of-somebody"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MEMORY_MB", 1 << 40, "of memory are free"),
        ("DISK_MB", 1 << 40, "set TMPDIR"),
    ],
)
def test_too_small_a_machine_is_told(
    name: str, value: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vagrant_tests.check_machine()
    monkeypatch.setattr(vagrant_tests, name, value)
    with pytest.raises(UsageError, match=says):
        vagrant_tests.check_machine()


def test_an_ordinary_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="as root: sudo"):
        vagrant_tests.check_machine()
