"""Hypervisors for the tests, inside the room that `./lab test --vagrant` makes: see stand_in/README.md.

Collected there alone: a libvirtd outside would leave bridges with the labs' addresses on the machine.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labgrader.develop.vagrant_tests import ROOM

if TYPE_CHECKING:  # read outside the room, too
    from labgrader.providers.vagrant.box import Boxes

HERE = Path(__file__).parent
STAND_IN = HERE / "stand_in"
LIBVIRTD_S = 30.0


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if ROOM in os.environ:
        return None
    named = [Path(word.partition("::")[0]).resolve() for word in config.args]
    if any(path == HERE or HERE in path.parents for path in named):
        raise pytest.UsageError("tests/vagrant needs a room of its own; run: ./lab test --vagrant")
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("vagrant")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests measured, in seconds: judged by nobody, to be read in the log of a run."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value}")


@dataclass(frozen=True)
class Hypervisor:
    """What Vagrant needs to make machines: its provider, the variables of a command, where disks are."""

    provider: str
    environment: Mapping[str, str]
    state: Path


@pytest.fixture(scope="session")
def room() -> Path:
    """The room's folder, removed after the run."""
    return Path(os.environ[ROOM])


@pytest.fixture(scope="session")
def box() -> Boxes:
    """The project's own boxes, built before the room was made: in it there is no network."""
    from labgrader.providers.vagrant.box import build

    return build()


@pytest.fixture(scope="session")
def libvirt(room: Path) -> Iterator[Hypervisor]:
    """libvirt's daemon in the room, answering; at the end it and all that it started are gone."""
    environment = {**os.environ, "LIBVIRT_DEFAULT_URI": "qemu:///system"}
    environment |= {"VAGRANT_DEFAULT_PROVIDER": "libvirt", "VAGRANT_HOME": str(room / "vagrant-libvirt")}
    log = room / "libvirtd.log"
    with log.open("w") as stream:
        command = ["libvirtd", "--pid-file", str(room / "libvirtd.pid")]
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        _await_libvirt(daemon, log)
        yield Hypervisor("libvirt", environment, Path("/var/lib/libvirt/images"))
        _destroy_all()
    finally:
        daemon.terminate()
        try:
            daemon.wait(LIBVIRTD_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


@pytest.fixture(scope="session")
def virtualbox(room: Path) -> Iterator[Hypervisor]:
    """Vagrant's own code for VirtualBox, with a VBoxManage that drives QEMU: no VirtualBox is tested."""
    state = room / "virtualbox"
    environment = {**os.environ, "PATH": f"{STAND_IN}:{os.environ['PATH']}", "STAND_IN_STATE": str(state)}
    environment |= {
        "STAND_IN_PYTHON": sys.executable,
        "VAGRANT_DEFAULT_PROVIDER": "virtualbox",
        "VAGRANT_HOME": str(room / "vagrant-virtualbox"),
    }
    yield Hypervisor("virtualbox", environment, state)
    for path in state.glob("machines/*/pid"):
        with contextlib.suppress(ProcessLookupError):
            end(int(path.read_text()))


def _await_libvirt(daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the daemon answers; a failed start tells its own words."""
    end = time.monotonic() + LIBVIRTD_S
    process = os.pidfd_open(daemon.pid)
    try:
        while _virsh("version") is None:
            # Looked at again after a tenth of a second, or at once when it ends.
            ended = select.select([process], [], [], 0.1)[0]
            assert not ended, f"libvirtd ended with {daemon.wait()}: {log.read_text()}"
            assert time.monotonic() < end, f"libvirtd did not answer in {LIBVIRTD_S:.0f} s: {log.read_text()}"
    finally:
        os.close(process)


def _destroy_all() -> None:
    """What a failed test left of domains and networks; the room's folder takes their disks with it."""
    for name in (_virsh("list", "--name") or "").split():
        _virsh("destroy", name)
    for name in (_virsh("net-list", "--name") or "").split():
        _virsh("net-destroy", name)


def _virsh(*words: str) -> str | None:
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *words], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def end(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGKILL)
    select.select([process], [], [], LIBVIRTD_S)
    os.close(process)
