"""cli, with the real vagrant and no machine: a Vagrantfile is a Ruby program, and may do anything at all."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.providers.vagrant import cli, machine_readable
from labgrader.providers.vagrant.cli_output import KEPT_LINES

pytestmark = pytest.mark.vagrant

REPOSITORY = Path(__file__).resolve().parents[2]
SOON_S = 30.0
TWO = 'Vagrant.configure("2") do |c|\n  c.vm.box = "a/b"\n  c.vm.define "v0"\n  c.vm.define "v1"\nend\n'
# Notes who is there, so that a test can see whether they end.
HANGS = """
File.write("pids.new", "#{Process.pid} #{spawn("sleep", "1000")}")
at_exit { File.write("cleaned", "") }
File.rename("pids.new", "pids")
sleep 1000
"""
DEAF = 'trap("INT", "IGNORE")\ntrap("TERM", "IGNORE")\n' + HANGS


@dataclass(frozen=True)
class Project:
    """A folder with a Vagrantfile, and a home and a log beside it."""

    folder: Path

    def run(
        self,
        *arguments: str,
        deadline_s: float = 60,
        interrupt_s: float = 10,
        environment: dict[str, str] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> cli.Answer:
        return cli.run(
            arguments,
            folder=self.folder,
            environment={"VAGRANT_HOME": str(self.folder / "home"), **(environment or {})},
            deadline_s=deadline_s,
            interrupt_s=interrupt_s,
            log=self.log,
            tell=tell,
        )

    def fails(self, *arguments: str, **settings: object) -> str:
        with pytest.raises(LabError) as caught:
            self.run(*arguments, **settings)  # type: ignore[arg-type]
        message, _, log = caught.value.message.rpartition("; the full log: ")
        assert log == str(self.log) and "\n" not in message
        return message

    def say(self, vagrantfile: str) -> None:
        (self.folder / "Vagrantfile").write_text(vagrantfile)

    @property
    def log(self) -> Path:
        return self.folder / "vagrant.log"

    def call(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        words = ["-P", "-m", "tests.vagrant_cli.call", str(self.folder), str(self.log), "60", *arguments]
        paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
        return subprocess.Popen(
            [*before, sys.executable, *words],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            text=True,
        )

    def pids(self) -> list[int]:
        await_(lambda: (self.folder / "pids").exists())
        return [int(word) for word in (self.folder / "pids").read_text().split()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    if shutil.which("vagrant") is None:
        pytest.skip("vagrant is not installed; run: ./lab test --vagrant")
    monkeypatch.delenv("LABGRADER_VAGRANT", raising=False)
    made = Project(tmp_path)
    made.say(TWO)
    return made


def await_(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(*pids: int) -> Callable[[], bool]:
    return lambda: not any(lives(pid) for pid in pids)


# What comes back


def test_an_answer_has_the_lines_and_the_log_has_all(project: Project) -> None:
    answer = project.run("status", environment={"LABGRADER_X": "a b"})
    assert machine_readable.states(answer.lines) == {"v0": "not_created", "v1": "not_created"}
    log = project.log.read_text()
    head = rf"== \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ cd {re.escape(str(project.folder))} && LABGRADER_X='a b' "
    assert re.match(rf"{head}VAGRANT_HOME=\S+ vagrant status\n", log)
    assert ",v0,state,not_created\n" in log
    assert re.search(r"== \S+Z exit status 0 after \d+\.\d s\n\Z", log)
    assert project.log.stat().st_mode & 0o777 == 0o600


def test_plain_output_and_stderr_are_kept_apart_and_logged_together(project: Project) -> None:
    project.say('puts "Host v9\\n  Port 2201"\n$stderr.puts "a warning"\n' + TWO)
    answer = project.run("status")
    assert machine_readable.ssh_config(answer.text) == [machine_readable.SshHost("v9", "v9", 2201, "")]
    assert answer.errors == "a warning"
    assert {"Host v9", "a warning"} <= set(project.log.read_text().splitlines())


def test_two_calls_at_once_write_whole_lines_into_one_log(project: Project) -> None:
    project.say('2000.times { |n| puts "line #{n} #{"x" * 300} end" }\n' + TWO)
    threads = [threading.Thread(target=project.run, args=("status",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in project.log.read_text().splitlines() if line.startswith("line")]
    assert len(lines) == 4000 and all(re.fullmatch(r"line \d+ x{300} end", line) for line in lines)


def test_endless_output_is_logged_and_only_its_end_kept(project: Project) -> None:
    project.say('puts "x" * 5_000_000\n30_000.times { |n| puts "line #{n}" }\n' + TWO)
    answer = project.run("status")
    assert len(answer.lines) == KEPT_LINES
    assert machine_readable.states(answer.lines)["v0"] == "not_created"
    assert project.log.stat().st_size > 5_200_000


def test_bytes_that_are_no_utf_8_are_taken(project: Project) -> None:
    project.say('$stdout.write("\\xff\\xfe\\r\\n")\n' + TWO)
    assert "\ufffd\ufffd" in project.run("status").text


def test_a_log_that_is_a_link_is_not_followed(project: Project) -> None:
    project.log.symlink_to(project.folder / "else")
    with pytest.raises(LabError, match="cannot be written"):
        project.run("status")
    assert not (project.folder / "else").exists()


def test_progress_is_told_at_most_once_a_second_and_harmlessly(project: Project) -> None:
    line = 'puts "1795477373,v0,ui,info,==> v0: step #{n}\\e[31m"'
    project.say(f"60.times {{ |n| {line}; sleep 0.05 }}\n" + TWO)
    told: list[tuple[float, str]] = []
    project.run("status", tell=lambda text: told.append((time.monotonic(), text)))
    assert told[0][1] == "v0: step 0\\x1b[31m"
    assert 3 <= len(told) <= 6
    assert all(after[0] - before[0] >= 1 for before, after in itertools.pairwise(told))


# What Vagrant may know


def test_a_user_s_settings_for_vagrant_and_ruby_do_not_disturb(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.say('File.write("seen", ENV.map { |k, v| "#{k}=#{v}\\n" }.join)\n' + TWO)
    disturbing = {
        "VAGRANT_CWD": "/nowhere",
        "VAGRANT_VAGRANTFILE": "Nofile",
        "VAGRANT_LOG": "debug",
        "VAGRANT_DOTFILE_PATH": "/nowhere",
        "VAGRANT_DEFAULT_PROVIDER": "docker",
        "VAGRANT_NO_PLUGINS": "1",
        "RUBYOPT": "-rno_such_thing",
        "RUBYLIB": "/nowhere",
        "GEM_PATH": "/nowhere",
        "GEM_HOME": "/nowhere",
        "BUNDLE_GEMFILE": "/nowhere/Gemfile",
        "SSH_AUTH_SOCK": "/nowhere",
        "LC_MESSAGES": "xx_XX",
    }
    passed = {"https_proxy": "http://p:1", "LIBVIRT_X": "1", "VBOX_X": "2", "XDG_X": "3", "STAND_IN_X": "4"}
    for name, value in {**disturbing, **passed}.items():
        monkeypatch.setenv(name, value)
    project.run("status", environment={"LABGRADER_MACHINES": "/x"})
    seen = dict(line.split("=", 1) for line in (project.folder / "seen").read_text().splitlines())
    assert {name: seen[name] for name in passed} == passed
    assert seen["LABGRADER_MACHINES"] == "/x" and seen["VAGRANT_CHECKPOINT_DISABLE"] == "1"
    # Some of these Vagrant sets itself, to values of its own.
    assert [name for name in disturbing if seen.get(name) == disturbing[name]] == []


def test_nothing_is_read_from_the_one_who_calls(project: Project) -> None:
    project.say('File.write("seen", $stdin.read.inspect)\n' + TWO)
    project.run("status")
    assert (project.folder / "seen").read_text() == '""'


# What goes wrong


BOX = 'Vagrant.configure("2") { |c| c.vm.box = "a/b" }\n'
WRONG = [
    # What the Vagrantfile says, the call, and words of the sentence.
    ("Vagrant.configure(2) do |c\n", ["status"], ["syntax error", "Vagrantfile:"]),
    ('raise "boom"\n', ["status"], ["Vagrantfile", "RuntimeError: boom", "mend it"]),
    ("no_such_thing\n", ["status"], ["Vagrantfile", "no_such_thing"]),
    ('Vagrant.require_version ">= 99.0"\n', ["status"], ["wants Vagrant >= 99.0", "newest"]),
    (TWO, ["up", "--provider", "libvrt"], ["v0: Vagrant has no provider libvrt", "vagrant-libvirt"]),
    (TWO, ["status", "v7"], ["v7"]),
    (TWO, ["up", "--no-such-option"], ["does not know this call", "invalid option"]),
    (TWO, ["snapshot", "restore", "v0", "ready"], ["not created", "./lab machines --remove"]),
    (TWO, ["box", "add", "/nowhere/a.box", "--name", "a"], ["could not be fetched", "/nowhere/a.box"]),
    (TWO, ["box", "add", "Vagrantfile", "--name", "a"], ["cannot be unpacked", "anew"]),
]


@pytest.mark.parametrize(("vagrantfile", "arguments", "words"), WRONG, ids=lambda item: str(item)[:40])
def test_what_goes_wrong_is_told_in_a_sentence(
    project: Project, vagrantfile: str, arguments: list[str], words: list[str]
) -> None:
    project.say(vagrantfile)
    said = project.fails(*arguments)
    assert [word for word in words if word not in said] == [], said


def test_a_box_that_is_missing_offline_is_told(project: Project) -> None:
    # Port 1 of this machine stands for a catalogue that cannot be reached.
    said = project.fails(
        "box", "add", "almalinux/8", environment={"VAGRANT_SERVER_URL": "https://127.0.0.1:1"}
    )
    assert said.startswith("the box almalinux/8 is not on this machine, and the catalogue cannot be reached")
    assert "./lab box build" in said


def test_virtualbox_that_is_absent_is_told(project: Project) -> None:
    path = "/usr/bin:/bin"
    if shutil.which("VBoxManage", path=path):
        pytest.skip("not applicable: VirtualBox is installed")
    said = project.fails("up", "--provider", "virtualbox", environment={"PATH": path})
    assert said.startswith("v0: VirtualBox is not on this machine") and "./lab doctor" in said


def test_a_machine_that_another_vagrant_works_on_is_told(project: Project) -> None:
    # However this ends (there need be no libvirt), it leaves the lock's file.
    socket = {"LIBVIRT_DEFAULT_URI": f"qemu+unix:///system?socket={project.folder}/none"}
    project.fails("up", "--provider", "libvirt", environment=socket)
    locks = sorted((project.folder / "home" / "data").glob("lock.machine-action-*.lock"))
    assert len(locks) == 2
    with locks[0].open("w") as first, locks[1].open("w") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        fcntl.flock(second, fcntl.LOCK_EX)
        said = project.fails("up", "--provider", "libvirt", environment=socket)
    assert said.startswith("v0, v1: another Vagrant works on this machine just now"), said


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("fill", "arguments", "words"),
    [
        (900, ["box", "add", "big.box", "--name", "a"], "disk that holds Vagrant's boxes is full"),
        (2000, ["status"], "a disk is full or the user's share of it used up ("),
    ],
)
def test_a_full_disk_is_told(project: Project, fill: int, arguments: list[str], words: str) -> None:
    (project.folder / "small").mkdir()
    (project.folder / "big.box").write_bytes(os.urandom(3_000_000))
    small = shlex.quote(str(project.folder / "small"))
    script = (
        f"mount -t tmpfs -o size=1m tmpfs {small}; mkdir {small}/home; "
        f"head -c {fill}k /dev/zero > {small}/fill 2>/dev/null || true; "
        f'TEST_VAGRANT_HOME={small}/home exec "$@"'
    )
    maps = () if os.geteuid() == 0 else ("--map-root-user",)
    called = project.call(*arguments, before=("unshare", "--mount", *maps, "sh", "-ec", script, "sh"))
    said, _ = called.communicate(timeout=60)
    assert said.startswith("LabError: ") and words in said


@pytest.mark.namespaces
def test_a_log_on_a_full_disk_ends_nothing(project: Project) -> None:
    (project.folder / "small").mkdir()
    small = shlex.quote(str(project.folder / "small"))
    log = project.folder / "small" / "vagrant.log"
    script = f'mount -t tmpfs -o size=8k tmpfs {small} && exec "$@"'
    project.say('puts "x" * 100_000\n' + TWO)
    maps = () if os.geteuid() == 0 else ("--map-root-user",)
    before = ("unshare", "--mount", *maps, "sh", "-ec", script, "sh")
    for arguments, end in (("status", "fine\n"), ("nonsense", "(not whole: No space left on device)\n")):
        called = Project.call(_Logged(project.folder, log), arguments, before=before)
        said, _ = called.communicate(timeout=60)
        assert said.endswith(end), said


@dataclass(frozen=True)
class _Logged(Project):
    path: Path

    @property
    def log(self) -> Path:
        return self.path


# How it ends


def test_the_deadline_interrupts_vagrant_which_cleans_up(project: Project) -> None:
    project.say('puts "1795477373,v0,ui,info,==> v0: Booting VM..."\n' + HANGS)
    begun = time.monotonic()
    said = project.fails("up", "v0", deadline_s=3)
    assert said == (
        "`vagrant up v0` did not end within 3 s and was stopped; the last it said is: v0: Booting VM..."
    )
    assert time.monotonic() - begun < 3 + 5
    assert (project.folder / "cleaned").exists()
    await_(gone(*project.pids()))
    assert project.log.read_text().endswith(" s, ended\n")


def test_one_that_hears_nothing_is_killed_with_all_that_it_started(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "TERMINATE_S", 0.5)
    project.say(DEAF)
    project.fails("status", deadline_s=3, interrupt_s=0.5)
    assert not (project.folder / "cleaned").exists()
    await_(gone(*project.pids()))


def test_a_stopped_one_is_ended_too(project: Project) -> None:
    project.say(HANGS.replace("sleep 1000\n", 'Process.kill("STOP", Process.pid)\nsleep 1000\n'))
    project.fails("status", deadline_s=3)
    await_(gone(*project.pids()))
    assert (project.folder / "cleaned").exists()


def test_vagrant_ends_with_a_grader_that_is_killed(project: Project) -> None:
    project.say(HANGS)
    grader = project.call("status")
    pids = project.pids()
    grader.kill()
    grader.communicate()
    await_(gone(*pids))
    assert (project.folder / "cleaned").exists()


def test_vagrant_ends_with_its_keeper(project: Project) -> None:
    project.say(HANGS)
    grader = project.call("status")
    vagrant, _ = project.pids()
    keeper = int(Path(f"/proc/{vagrant}/stat").read_text().rpartition(")")[2].split()[1])
    assert b"keeper.py" in Path(f"/proc/{keeper}/cmdline").read_bytes()
    os.kill(keeper, signal.SIGKILL)
    await_(gone(vagrant))
    assert (project.folder / "cleaned").exists()
    said, _ = grader.communicate(timeout=SOON_S)
    assert "ended from outside by signal 9" in said or "told no reason" in said
    child = project.pids()[1]
    if lives(child):
        os.kill(child, signal.SIGKILL)


def test_ctrl_c_ends_vagrant_before_it_goes_on(project: Project) -> None:
    project.say(HANGS)
    grader = project.call("status")
    pids = project.pids()
    grader.send_signal(signal.SIGINT)
    grader.communicate(timeout=SOON_S)
    assert grader.returncode not in (0, None)
    assert gone(*pids)() and (project.folder / "cleaned").exists()


def test_a_machine_that_holds_the_streams_does_not_hold_the_grader(project: Project) -> None:
    """VirtualBox's and QEMU's processes live on, perhaps with the streams of their Vagrant."""
    project.say('File.write("pids", spawn("sleep", "1000", pgroup: true).to_s)\n' + TWO)
    begun = time.monotonic()
    answer = project.run("status")
    assert time.monotonic() - begun < 20
    assert machine_readable.states(answer.lines)["v1"] == "not_created"
    (machine,) = project.pids()
    assert lives(machine)
    os.kill(machine, signal.SIGKILL)


# Which vagrant


def program(folder: Path, text: str) -> Path:
    path = folder / "vagrant"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo Vagrant 2.2.19", "is Vagrant 2.2.19, and 2.3.0 or newer is needed"),
        (
            "echo /usr/bin/ruby: not found >&2; exit 127",
            "tells no version of Vagrant (/usr/bin/ruby: not found)",
        ),
        ("exit 1", "it prints nothing"),
    ],
)
def test_a_vagrant_that_cannot_be_used_is_told_with_its_remedy(
    project: Project, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setenv("LABGRADER_VAGRANT", str(program(project.folder, text)))
    with pytest.raises(cli.NotReady) as caught:
        project.run("status")
    assert words in caught.value.message
    assert "apt-get install vagrant" in caught.value.message
    assert "https://developer.hashicorp.com/vagrant/install" in caught.value.message
    assert not project.log.exists()


def test_a_vagrant_that_is_absent_is_told_with_its_remedy(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project.folder))
    with pytest.raises(cli.NotReady, match="not on this machine's PATH; run: sudo apt-get install vagrant"):
        project.run("status")
    monkeypatch.setenv("LABGRADER_VAGRANT", "/nowhere/vagrant")
    with pytest.raises(cli.NotReady, match="LABGRADER_VAGRANT=/nowhere/vagrant is no program"):
        project.run("status")


def test_a_new_vagrant_is_looked_at_anew(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(project.folder, "echo Vagrant 2.2.19")
    monkeypatch.setenv("LABGRADER_VAGRANT", str(path))
    with pytest.raises(cli.NotReady):
        cli.program()
    program(project.folder, "echo a warning; echo Vagrant 2.4.9")
    os.utime(path, (0, 0))
    assert cli.program() == str(path)


def test_a_folder_that_is_not_there_is_told(project: Project) -> None:
    with pytest.raises(LabError, match="is not a folder"):
        Project(project.folder / "none").run("status")
