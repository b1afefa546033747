"""./lab on machines in every state: nothing prepared, half prepared, prepared for another, not writable.

Each test has a checkout of its own whose lock files name two packages that it made itself, so that the real
venv and the real pip do all of their work without a network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # a virtual environment takes seconds to make
REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = """
import importlib.util, json, os, sys
have = [name for name in ("tinyrun", "tinydev", "tinyfar") if importlib.util.find_spec(name)]
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "prefix": sys.prefix, "have": have}))
sys.exit(7 if "seven" in sys.argv else 0)
"""
NOBODY = 65534


def make_wheel(folder: Path, name: str) -> str:
    """Writes a wheel of an empty module; returns the line of a lock file."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for member, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{member},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in files.items():
            wheel.writestr(member, data)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass
class Checkout:
    """A checkout at `root`, and the environment in which its ./lab runs."""

    base: Path
    root: Path
    env: dict[str, str] = field(default_factory=dict)
    uid: int | None = None

    def start(
        self, *words: str, cwd: Path | None = None, program: Path | None = None
    ) -> subprocess.Popen[str]:
        lab = program or self.root / "lab"
        return subprocess.Popen(
            ["/bin/bash", str(lab), *words],
            cwd=cwd or self.base,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=self.uid,
            group=self.uid,
            extra_groups=[] if self.uid is not None else None,
        )

    def run(self, *words: str, cwd: Path | None = None, program: Path | None = None) -> Done:
        process = self.start(*words, cwd=cwd, program=program)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)


@dataclass(frozen=True)
class Done:
    """How a ./lab ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        assert self.status in (0, 7), self.err
        answer: dict[str, Any] = json.loads(self.out)  # stdout holds the task's line and nothing else
        return answer


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that other users can reach, as pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="labgrader-test-"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=True)
    shutil.rmtree(path)


@pytest.fixture
def checkout(base: Path) -> Checkout:
    root = base / "a check out"
    package = root / "src" / "labgrader"
    package.mkdir(parents=True)
    shutil.copy(REPOSITORY / "lab", root / "lab")
    shutil.copy(REPOSITORY / "src" / "labgrader" / "bootstrap.sh", package)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PROGRAM)
    wheels = base / "wheels"
    wheels.mkdir()
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    runtime = make_wheel(wheels, "tinyrun")
    (root / "requirements.lock").write_text(runtime)
    (root / "requirements-dev.lock").write_text(runtime + make_wheel(wheels, "tinydev"))
    (root / "requirements-cluster.lock").write_text(runtime + make_wheel(wheels, "tinyfar"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(base),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_CACHE_DIR": "1",
        "TMPDIR": str(base / "tmp"),
    }
    if "PYENV_VERSION" in os.environ:
        env["PYENV_VERSION"] = os.environ["PYENV_VERSION"]
    env["LABGRADER_PYTHON"] = str(getattr(sys, "_base_executable", sys.executable))
    return Checkout(base, root, env)


TOOLS = """
bash sh env readlink sha256sum flock mkdir ls find rm mv grep tail mktemp cat chown uname true touch chmod ln
ip unshare nsenter mount
"""


def tools(base: Path, **programs: str) -> str:
    """A PATH with nothing but the tools that ./lab itself uses, and `programs`: shell scripts by name."""
    folder = base / "tools"
    folder.mkdir(exist_ok=True)
    for name in TOOLS.split():
        found = shutil.which(name)
        assert found, name
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(found)
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(folder)


def test_a_fresh_checkout_sets_itself_up_once(checkout: Checkout) -> None:
    elsewhere = checkout.base / "elsewhere"
    elsewhere.mkdir()
    # Whoever stands in a student's folder must not run the student's modules.
    for name in ("json", "site", "venv", "ensurepip", "pip", "subprocess", "labgrader", "tinyrun"):
        (elsewhere / f"{name}.py").write_text("open('was-imported', 'w').close()\nraise SystemExit(99)\n")
    first = checkout.run("list", "a b", "seven", cwd=elsewhere)
    assert first.status == 7  # the task's own
    assert first.answer == {
        "argv": ["list", "a b", "seven"],
        "cwd": str(elsewhere),
        "prefix": str(checkout.root / ".venv"),
        "have": ["tinyrun"],
    }
    assert "Installing up to 1 Python packages" in first.err

    second = checkout.run("list", cwd=elsewhere)
    assert second.err == ""
    assert second.answer["have"] == ["tinyrun"]
    assert not (elsewhere / "was-imported").exists()

    link = checkout.base / "lab-link"
    link.symlink_to(os.path.relpath(checkout.root / "lab", checkout.base))
    through_link = checkout.run("list", program=link)
    assert (through_link.err, through_link.answer["prefix"]) == ("", str(checkout.root / ".venv"))
    assert checkout.run("list", cwd=checkout.root, program=Path("lab")).err == ""

    inv = subprocess.run(
        [checkout.root / ".venv/bin/python", "-c", "import labgrader; print(labgrader.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert inv.stdout.startswith(str(checkout.root / "src"))

    # Developers' tools come when they are needed, into the same place.
    assert "1.0" not in checkout.run("list").err
    assert checkout.run("test", "--help").answer["have"] == ["tinyrun"]
    dev = checkout.run("--echo", "lint")
    assert dev.answer["have"] == ["tinyrun", "tinydev"]
    assert checkout.run("lint").err == ""

    # What a cluster takes comes for those who ask for it, each in its way.
    assert "Installing" in checkout.run("grade", "--scheduler", "tcp://head:8786").err
    assert checkout.run("grade", "--scheduler=tcp://head:8786").err == ""
    assert checkout.run("list").answer["have"] == ["tinyrun", "tinydev", "tinyfar"]

    # Another lock: made anew, with nothing left of the old one.
    (checkout.root / "requirements.lock").write_text(make_wheel(checkout.base / "wheels", "tinydev"))
    assert checkout.run("list").answer["have"] == ["tinydev"]

    # Moved: the old place must not be what is imported.
    moved = checkout.base / "moved"
    checkout.root.rename(moved)
    assert checkout.run("list", program=moved / "lab").answer["prefix"] == str(moved / ".venv")


def test_a_warm_start_costs_next_to_nothing(checkout: Checkout) -> None:
    checkout.run("list")
    python = checkout.root / ".venv/bin/python"

    def best(command: list[str]) -> float:
        times = []
        for _ in range(15):
            began = time.perf_counter()
            subprocess.run(command, env=checkout.env, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    direct = best([str(python), "-P", "-m", "labgrader", "list"])
    assert best([str(checkout.root / "lab"), "list"]) - direct < 0.03


def test_two_at_once_make_it_once(checkout: Checkout) -> None:
    both = [checkout.start("list"), checkout.start("list")]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert sum("Installing" in err for _, err in ends) == 1


def test_a_half_made_environment_is_made_anew(checkout: Checkout) -> None:
    venv = checkout.root / ".venv"
    process = checkout.start("list")
    deadline = time.monotonic() + 60
    while not (venv / "pyvenv.cfg").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)  # polls for a file; no inotify in the standard library
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (venv / "labgrader.runtime").exists()
    # Its child still runs and holds the lock: the next one waits for it rather than working beside it.
    again = checkout.run("list")
    assert again.answer["have"] == ["tinyrun"]
    if process.stdout and process.stderr:
        process.stdout.close()
        process.stderr.close()


def test_a_python_that_went_away_is_replaced(checkout: Checkout) -> None:
    checkout.run("list")
    python = checkout.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    assert checkout.run("list").answer["have"] == ["tinyrun"]


def test_what_cannot_be_downloaded_is_told_and_mends_itself_later(checkout: Checkout) -> None:
    wheel = checkout.base / "wheels" / "tinyrun-1.0-py3-none-any.whl"
    wheel.rename(wheel.with_suffix(".away"))
    done = checkout.run("list")
    assert (done.status, done.out) == (3, "")
    assert "not everything could be downloaded; check the network" in done.err.splitlines()[-1]
    log = re.search(r"\(log: (.*)\)", done.err)
    assert log
    assert "tinyrun" in Path(log[1]).read_text()

    wheel.with_suffix(".away").write_bytes(b"PK, but another file")
    wheel.with_suffix(".away").rename(wheel)
    done = checkout.run("list")
    assert done.status == 3
    assert "a downloaded file is not the one that the lock file names" in done.err

    make_wheel(checkout.base / "wheels", "tinyrun")
    (checkout.root / "requirements.lock").write_text(make_wheel(checkout.base / "wheels", "tinyrun"))
    assert checkout.run("list").answer["have"] == ["tinyrun"]


def test_a_full_disk_is_told() -> None:
    # pip's own words for it; filling a real disk needs a privilege that not every machine gives.
    script = 'fail() { echo "$@"; exit "$1"; }; venv=/nonexistent; . "$0"; explain "Installing" /dev/stdin'
    done = subprocess.run(
        ["bash", "-c", script, REPOSITORY / "src/labgrader/bootstrap.sh"],
        input="ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "the disk is full; free some 300 MB" in done.stdout


@pytest.mark.parametrize("where", [".venv", "LABGRADER_VENV"])
def test_a_directory_that_is_not_ours_is_never_emptied(checkout: Checkout, where: str) -> None:
    venv = checkout.root / ".venv"
    if where == "LABGRADER_VENV":
        venv = checkout.base / "precious"
        checkout.env["LABGRADER_VENV"] = str(venv)
    venv.mkdir()
    (venv / "thesis.txt").write_text("ten years")
    done = checkout.run("list")
    assert done.status == 2
    assert f"{venv} is there but was not made by ./lab" in done.err
    assert (venv / "thesis.txt").read_text() == "ten years"


def test_the_environment_can_be_put_elsewhere(checkout: Checkout) -> None:
    checkout.env["LABGRADER_VENV"] = "my venv"
    assert checkout.run("list").answer["prefix"] == str(checkout.base / "my venv")
    assert not (checkout.root / ".venv").exists()
    assert checkout.run("list").err == ""


def test_without_python_the_remedy_is_named(checkout: Checkout) -> None:
    del checkout.env["LABGRADER_PYTHON"]
    checkout.env["PATH"] = tools(checkout.base)
    done = checkout.run("list")
    assert done.status == 2
    assert "python3 and python3-venv" in done.err
    checkout.env["PATH"] = tools(checkout.base, python3='echo "Python 3.9.2"; exit 1')
    done = checkout.run("list")
    assert done.status == 2
    assert "no Python 3.11 or newer" in done.err
    assert "3.9.2" in done.err
    checkout.env["LABGRADER_PYTHON"] = "/no/such/python"
    done = checkout.run("list")
    assert done.status == 2
    assert "there is no program /no/such/python, which LABGRADER_PYTHON names" in done.err


@pytest.fixture
def user(checkout: Checkout) -> Checkout:
    """The same checkout for an ordinary user who may read it and not write to it."""
    checkout.root.chmod(0o555)
    home = checkout.base / "home"
    home.mkdir()
    checkout.env["HOME"] = str(home)
    checkout.env["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    del checkout.env["LABGRADER_PYTHON"]
    if os.geteuid() == 0:
        checkout.uid = NOBODY
        os.chown(home, NOBODY, NOBODY)
    return checkout


def test_a_user_of_somebody_elses_checkout_has_an_environment_of_their_own(user: Checkout) -> None:
    first = user.run("list")
    prefix = first.answer["prefix"]
    assert re.fullmatch(re.escape(f"{user.base}/home/.cache/labgrader/venv-") + "[0-9a-f]{16}", prefix)
    assert not (user.root / ".venv").exists()
    assert user.run("list").err == ""

    # Without HOME the user's entry in /etc/passwd decides; nobody has no home there.
    cache = user.base / "home" / "cache"
    del user.env["HOME"]
    user.env["XDG_CACHE_HOME"] = str(cache)
    assert user.run("list").answer["prefix"].startswith(str(cache))
    user.env["XDG_CACHE_HOME"] = "/proc/no-such-place"
    done = user.run("list")
    assert done.status == 2
    assert "LABGRADER_VENV=DIRECTORY" in done.err.splitlines()[-1]


APT = """
echo "$DEBIAN_FRONTEND $*" >>"{log}"
case "$*" in
*install*) {install} ;;
esac
"""


def with_apt(checkout: Checkout, install: str, **programs: str) -> Path:
    """Puts ./lab on a machine with nothing but a stand-in for apt-get; returns what records its calls."""
    log = checkout.base / "apt.log"
    log.touch()
    log.chmod(0o666)
    path = tools(checkout.base, apt_get=APT.format(log=log, install=install), **programs)
    checkout.env["PATH"] = path
    return log


@pytest.mark.skipif(os.geteuid() != 0, reason="not applicable: apt-get without sudo is for root")
def test_root_gets_the_system_packages_and_only_for_what_needs_them(checkout: Checkout) -> None:
    made = checkout.base / "tools" / "mmdebstrap"
    log = with_apt(checkout, f'ln -sf /bin/true "{made}"')
    assert checkout.run("list").status == 0
    assert checkout.run("check", "--help").status == 0
    assert checkout.run("check", "--provider", "vagrant", "tcp-server", "x").status == 0
    assert checkout.run("doctor").status == 0
    assert log.read_text() == ""
    done = checkout.run("check", "tcp-server", "x")
    assert done.answer["argv"] == ["check", "tcp-server", "x"]
    assert re.search(r"Installing .*mmdebstrap.* with apt-get…", done.err)
    (install,) = [line for line in log.read_text().splitlines() if " install " in line]
    assert install.startswith("noninteractive ")
    assert "mmdebstrap" in install.split()
    assert "uidmap" not in install.split()  # root needs no newuidmap
    log.write_text("")
    assert checkout.run("prove").status == 0
    assert all("mmdebstrap" not in line for line in log.read_text().splitlines())


@pytest.mark.skipif(os.geteuid() != 0, reason="not applicable: apt-get without sudo is for root")
def test_a_failing_apt_is_asked_again_after_an_update_and_then_told(checkout: Checkout) -> None:
    log = with_apt(checkout, 'echo "E: Unable to locate package mmdebstrap"; exit 100')
    done = checkout.run("check", "tcp-server", "x")
    assert done.status == 3
    assert done.out == ""
    assert "Fetching apt's package lists first…" in done.err
    assert "not everything could be downloaded" in done.err.splitlines()[-1]
    assert " update" in log.read_text()
    assert (
        log.read_text().splitlines()[-1].endswith(("mmdebstrap", "iproute2", "util-linux", "mount", "uidmap"))
    )


@pytest.mark.parametrize("sudo", [None, "exit 1", 'shift; exec "$@"'])
def test_an_ordinary_user_pastes_one_line_unless_sudo_asks_nothing(user: Checkout, sudo: str | None) -> None:
    made = user.base / "home" / "mmdebstrap"
    programs = {} if sudo is None else {"sudo": sudo}
    log = with_apt(user, f'ln -sf /bin/true "{made}"; ln -sf /bin/true "{made.parent}/newuidmap"', **programs)
    user.env["PATH"] += f":{made.parent}"
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        found = shutil.which(name, path="/usr/bin")
        if found:
            (user.base / "tools" / name).symlink_to(found)
    done = user.run("check", "tcp-server", "x")
    if sudo is not None and "exec" in sudo:
        assert done.answer["argv"] == ["check", "tcp-server", "x"]
        assert "mmdebstrap uidmap" in log.read_text()
        return
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    become = "sudo sh -c" if sudo else "su -c"
    assert re.search(
        rf"paste this, .*  {become} 'apt-get update && apt-get install -y .*mmdebstrap uidmap'$", line
    )
    assert log.read_text() == ""


def test_a_checkout_in_pieces_is_told(checkout: Checkout) -> None:
    (checkout.root / "requirements.lock").unlink()
    done = checkout.run("list")
    assert done.status == 2
    assert "is this a whole checkout?" in done.err


# The lock files themselves


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Of each package in a lock file: its version, and how many files' hashes stand there."""
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    packages = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = re.match(r"([a-z0-9-]+)==([^ ;]+)", line)
            assert match, line
            packages[match[1]] = (match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)))
    return packages


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-cluster.lock", "requirements-dev.lock"])
def test_everything_in_a_lock_is_pinned_with_hashes_and_bound_to_no_index(name: str) -> None:
    packages = locked(name)
    assert all(hashes >= 1 for _, hashes in packages.values())
    # Compiled packages have wheels for Python 3.11 to 3.14 on two kinds of processor, or stable-ABI ones.
    for compiled in {
        "cffi",
        "cryptography",
        "msgpack",
        "pydantic-core",
        "pyyaml",
        "markupsafe",
    } & packages.keys():
        assert packages[compiled][1] >= 8, compiled
    assert not re.search(r"https?://|file://|--index|--find-links", (REPOSITORY / name).read_text())


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in requirements}

    runtime, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    cluster = locked("requirements-cluster.lock")
    assert names(project["project"]["dependencies"]) <= runtime.keys()
    assert names(project["dependency-groups"]["dev"]) <= dev.keys()
    assert names(project["project"]["optional-dependencies"]["cluster"]) <= cluster.keys() - runtime.keys()
    assert {name: cluster.get(name) for name in runtime} == runtime
    assert {name: dev.get(name) for name in cluster} == cluster
