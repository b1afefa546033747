"""Real lab hosts for the guest tests: the image, installed once, and hosts in namespaces over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from labgrader.providers.netns import image

GUEST = Path(__file__).resolve().parents[2] / "src" / "labgrader" / "guest"
sys.path.append(str(GUEST / "lib"))  # guest code has no package: it lies flat in /usr/lib/labgrader

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# These hosts' root is this machine's: what there is only one of it must not reach.
BOUNDED = ("setpriv", "--bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio")

# The host's PID 1: mounts its own root, says so, reaps, and dies with the tests (its stdin closes).
BOOT = r"""
set -e
name=$1 lower=$2 top=$3
mount --make-rprivate /
mount -t tmpfs none "$top"
mkdir "$top/up" "$top/work" "$top/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$top/up,workdir=$top/work" none "$top/root"
cd "$top/root"
mount -t tmpfs none dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 none dev/pts
ln -s pts/ptmx dev/ptmx
mount -t proc none proc
mount -t sysfs none sys
mount -t tmpfs none run
hostname "$name"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > etc/hosts
for where in all default; do echo 1 > /proc/sys/net/ipv6/conf/$where/disable_ipv6; done
exec chroot . /usr/bin/python3 -c '
import os, select, signal
wake, ring = os.pipe()
os.set_blocking(ring, False); os.set_blocking(wake, False)
signal.set_wakeup_fd(ring)
signal.signal(signal.SIGCHLD, lambda *_: None)
print("up", flush=True)
while True:
    ready, _, _ = select.select([0, wake], [], [])
    if wake in ready: os.read(wake, 4096)
    if 0 in ready and not os.read(0, 1): break
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
'
"""


@dataclass(frozen=True)
class Host:
    """A running lab host; ``root`` is its file system as seen from here."""

    name: str
    pid: int

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.pid}/root")

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(mode)

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text(errors="replace")


@pytest.fixture(scope="session")
def image_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of the guest contract, made once a session."""
    if os.geteuid():
        pytest.fail("the guest tests make namespaces and need root")
    root = tmp_path_factory.mktemp("image")
    subprocess.run(["tar", "xf", str(image.packages()), "-C", str(root)], check=True)
    subprocess.run(["cp", "-a", "--no-preserve=ownership", f"{GUEST}/rootfs/.", str(root)], check=True)
    library = root / "usr/lib/labgrader"
    for module in (GUEST / "lib").glob("*.py"):
        shutil.copy(module, library / module.name)
    shutil.copy(GUEST / "install.py", root / "tmp/install.py")
    for _ in range(2):  # the second time must change nothing and fail nowhere
        subprocess.run(["chroot", str(root), "/usr/bin/python3", "/tmp/install.py"], check=True)
    return root


@pytest.fixture
def make_host(image_root: Path, tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """Return a function that brings up a host of a given name; all of them end with the test."""
    with ExitStack() as stack:

        def make(name: str) -> Host:
            top = tmp_path / name
            top.mkdir()
            process = subprocess.Popen(
                [
                    *BOUNDED,
                    "unshare",
                    "--net",
                    "--mount",
                    "--pid",
                    "--uts",
                    "--ipc",
                    "--fork",
                    "--kill-child",
                    "bash",
                    "-c",
                    BOOT,
                    "boot",
                    name,
                    str(image_root),
                    str(top),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait, 10)
            assert process.stdin and process.stdout
            stack.callback(process.stdout.close)
            stack.callback(process.stdin.close)
            assert process.stdout.readline() == "up\n"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return Host(name, int(children[0]))

        yield make


@pytest.fixture
def v0(make_host: Callable[[str], Host]) -> Host:
    """A host with no interface but lo."""
    return make_host("V0")


@pytest.fixture
def pair(make_host: Callable[[str], Host]) -> tuple[Host, Host]:
    """V0 and V1, their eth1 wired together; V1 is 192.168.1.11 and .12, V0 is 192.168.1.10."""
    v0, v1 = make_host("V0"), make_host("V1")
    wire(v0, "eth1", v1, "eth1")
    v0.write("/etc/sysconfig/network-scripts/ifcfg-eth1", "DEVICE=eth1\nIPADDR=192.168.1.10\nPREFIX=24\n")
    v1.write(
        "/etc/sysconfig/network-scripts/ifcfg-eth1",
        "DEVICE=eth1\nIPADDR=192.168.1.11\nPREFIX=24\nIPADDR1=192.168.1.12\nPREFIX1=24\n",
    )
    for host in (v0, v1):
        assert run_in_host(host, ["systemctl", "start", "network"]).returncode == 0
    return v0, v1


def wire(one: Host, interface: str, other: Host, far: str) -> None:
    """Join an interface of one host with one of another by a cable."""
    subprocess.run(
        [
            "ip",
            "link",
            "add",
            interface,
            "netns",
            str(one.pid),
            "type",
            "veth",
            "peer",
            "name",
            far,
            "netns",
            str(other.pid),
        ],
        check=True,
    )


def enter(host: Host) -> list[str]:
    """Return the beginning of an argv that runs the rest in ``host``."""
    return [
        *BOUNDED,
        "nsenter",
        "-t",
        str(host.pid),
        "-n",
        "-m",
        "-p",
        "-u",
        "-i",
        "-r",
        "-w",
        "--",
        "env",
        "-i",
        f"PATH={PATH}",
        "HOME=/root",
        "TERM=dumb",
    ]


def run_in_host(host: Host, argv: list[str], timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` in ``host`` as its root and return what it said."""
    return subprocess.run(
        enter(host) + argv,
        capture_output=True,
        text=True,
        timeout=timeout,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for ``condition`` to hold; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.01)
