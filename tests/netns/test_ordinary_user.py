"""The namespace provider as a user who is not root, in a home of its own that nobody else may look into.

The user exists in a private mount namespace only: the machine's own account files are not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from labgrader.providers.netns import image

ROOT = Path(__file__).resolve().parents[2]
UID = 54321
SUBORDINATE = {"subuid": "700000:65536", "subgid": "1700000:65536"}
CHECKOUT = ("lab", "tasks.py", "pyproject.toml", "requirements.lock", "src", "labs", "templates", "examples")
SYSTEM_PYTHON = "/usr/bin/python3"

# $1 a folder with account files, $2 a folder for a tmpfs, $3 our packages, $4 where the user is to see them.
ENTER = """
set -e
for file in passwd group subuid subgid; do mount --bind "$1/$file" "/etc/$file"; done
mount -t tmpfs -o mode=1777,nosuid,nodev none "$2"
mount --bind "$3" "$4"
shift 4
exec setpriv --reuid pupil --regid pupil --init-groups -- "$@"
"""

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="not applicable: these tests are run by an ordinary user already"
    ),
]


@dataclass(frozen=True)
class Pupil:
    """An ordinary user with a checkout and a home."""

    base: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def checkout(self) -> Path:
        return self.home / "my checkout"

    @property
    def other_file_system(self) -> Path:
        return self.base / "other file system"

    def run(self, *argv: str, umask: int = 0o022, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout as this user, with nothing of our environment."""
        words = ["unshare", "--mount", "--propagation", "private", "bash", "-c", ENTER, "enter"]
        words += [str(self.base / "etc"), str(self.other_file_system)]
        words += [sysconfig.get_paths()["purelib"], str(self.base / "packages")]
        words += [
            "env",
            "-i",
            "-C",
            str(self.checkout),
            "PATH=/usr/local/bin:/usr/bin:/bin",
            f"HOME={self.home}",
        ]
        words += [f"LABGRADER_PYTHON={SYSTEM_PYTHON}", "LANG=C.UTF-8"]
        words += [f"{name}={value}" for name, value in environment.items()]
        return subprocess.run(
            [*words, *argv], capture_output=True, text=True, timeout=240, umask=umask, check=False
        )


def account_files(base: Path, subordinate: dict[str, str]) -> None:
    folder = base / "etc"
    folder.mkdir(exist_ok=True)
    lines = {
        "passwd": f"pupil:x:{UID}:{UID}::{base}/home:/bin/bash",
        "group": f"pupil:x:{UID}:",
        **{name: f"pupil:{value}" for name, value in subordinate.items()},
    }
    for name in ("passwd", "group", "subuid", "subgid"):
        have = Path("/etc", name).read_text() if Path("/etc", name).exists() else ""
        Path("/etc", name).touch()  # something to bind over
        (folder / name).write_text(have + lines.get(name, "") + "\n")


@pytest.fixture(scope="module")
def pupil() -> Iterator[Pupil]:
    image.ensure()
    # In memory where there is room: an image is some 300 MB.
    room = os.statvfs("/dev/shm")
    memory = room.f_bavail * room.f_frsize > 3 << 30
    base = Path(tempfile.mkdtemp(prefix="labgrader-tests-", dir="/dev/shm" if memory else "/var/tmp"))
    try:
        base.chmod(0o755)
        user = Pupil(base)
        account_files(base, SUBORDINATE)
        for folder in (user.other_file_system, base / "packages"):
            folder.mkdir()
        user.checkout.mkdir(parents=True)
        for name in CHECKOUT:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, user.checkout / name, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / name, user.checkout / name)
        _virtual_environment(user)
        _give_packages(user.home / "another cache")
        (user.home / ".cache").symlink_to("another cache")
        subprocess.run(["chown", "-Rh", f"{UID}:{UID}", str(user.home)], check=True)
        user.home.chmod(0o700)
        yield user
    finally:
        shutil.rmtree(base)


def _virtual_environment(user: Pupil) -> None:
    """What ./lab would make, with our packages instead of downloaded ones where the Pythons fit."""
    seen = subprocess.run([SYSTEM_PYTHON, "-V"], capture_output=True, text=True, check=True).stdout
    if seen.split()[1].split(".")[:2] != [str(number) for number in sys.version_info[:2]]:
        return
    venv = user.checkout / ".venv"
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next(venv.glob("lib/python3.*/site-packages"))
    (packages / "labgrader.pth").write_text(f"{user.checkout}/src\n{user.base}/packages\n")
    lock = sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    (venv / "labgrader.runtime").write_text(f"{lock} {user.checkout}\n")
    (venv / "labgrader.lock").touch()


def _give_packages(cache: Path) -> None:
    """Put root's tar of Debian packages into the user's cache: only the building of it is left out."""
    folder = cache / "labgrader" / "images"
    folder.mkdir(parents=True)
    tar = image.cache_folder() / f"packages-{image.packages_digest()}.tar"
    if not tar.exists():
        image._bootstrap(tar)
    shutil.copy(tar, folder / tar.name)


def processes() -> list[str]:
    """The command lines of whatever runs with the user's ids, mapped ones included."""
    ours = {
        UID,
        *(int(value.split(":")[0]) + ids for value in SUBORDINATE.values() for ids in (0, 1000, 1001)),
    }
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid in ours:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("narrow", [True, False], ids=["umask 077 and TMPDIR on a tmpfs", "usual habits"])
def test_full_marks_on_a_lab_of_ones_own(pupil: Pupil, narrow: bool) -> None:
    cache = pupil.home / "another cache"
    environment = {}
    if narrow:
        runtime = pupil.home / "run"
        runtime.mkdir(mode=0o700)
        os.chown(runtime, UID, UID)
        environment = {
            "XDG_CACHE_HOME": str(cache),
            "XDG_RUNTIME_DIR": str(runtime),
            "TMPDIR": str(pupil.other_file_system),
        }
    report_path = pupil.home / f"report {narrow}.json"

    done = pupil.run(
        "./lab", "check", "tcp-server", "examples/submissions/tcp_server.py", "--json", str(report_path),
        umask=0o077 if narrow else 0o022, **environment,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(report_path.read_text())
    assert (report["status"], report["score"], report["possible"]) == ("graded", 100.0, 100.0)
    assert {check["outcome"] for check in report["checks"]} == {"pass"}
    assert report["limits"]["processes"]["held_by"] and report["limits"]["memory_mb"]["held_by"]
    assert processes() == []
    folder = pupil.home / "run" / "labgrader" if narrow else Path(f"/tmp/labgrader-{UID}")
    assert list(folder.iterdir()) == []
    if not narrow:
        folder.rmdir()
    images = [path for path in (cache / "labgrader" / "images").iterdir() if path.is_dir()]
    assert [path.name.partition("-")[2] for path in images] == ["700000"]
    assert (images[0] / "rootfs/etc/passwd").stat().st_uid == 700000, (
        "the hosts' root is one of the user's own ids"
    )
    assert (images[0] / "rootfs/etc/passwd").stat().st_gid == 1700000


def test_image_is_built_where_the_hosts_root_may_pass(pupil: Pupil) -> None:
    private = pupil.home / "private tmp"
    private.mkdir(mode=0o755)
    os.chown(private, UID, UID)
    ask = "from labgrader.providers.netns import image; print(image._workspace())"
    python = [str(pupil.checkout / ".venv/bin/python"), "-c", ask]
    if not (pupil.checkout / ".venv/bin/python").exists():
        python = ["env", f"PYTHONPATH={pupil.checkout}/src:{pupil.base}/packages", SYSTEM_PYTHON, "-c", ask]

    inside = pupil.run(*python, TMPDIR=str(private))
    outside = pupil.run(*python, TMPDIR=str(pupil.other_file_system))

    assert inside.stdout.strip() in {"/var/tmp", "/tmp"}, inside.stderr
    assert outside.stdout.strip() == str(pupil.other_file_system), outside.stderr


def test_without_subordinate_ids_it_says_what_to_run(pupil: Pupil) -> None:
    account_files(pupil.base, {})
    try:
        done = pupil.run("./lab", "check", "tcp-server", "examples/submissions/tcp_server.py")
    finally:
        account_files(pupil.base, SUBORDINATE)

    assert done.returncode == 3
    assert done.stdout == ""
    assert "/etc/subuid grants pupil no 65536 subordinate ids" in done.stderr
    assert "usermod --add-subuids" in done.stderr and "Traceback" not in done.stderr
