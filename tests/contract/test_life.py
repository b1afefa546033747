"""A lab's life: start, ready, destroy, in every order that a grader may come to."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.providers import Provider, netns
from labgrader.providers.netns import NamespaceProvider, cgroups, runtime
from labgrader.remote import hands
from labgrader.remote.transport import Connection
from tests.contract.labs import LIMITS, TOPOLOGY, running


def remains() -> list[str]:
    """What there is of labs of this process's, outside of them."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    found = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in children]
    found = [f"process {words}" for words in found if "supervisor.py" in words]
    ids = {path.name for path in runtime.root().iterdir()}
    return found + sorted(ids)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for one test."""
    with tempfile.TemporaryDirectory(prefix="lg-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def test_lab_that_was_destroyed_is_gone(provider: Provider, alone: Path) -> None:
    with running(provider) as up:
        access = up.lease.hosts["left"]
        lab_id = up.lease.lab_id
        assert [name for name in os.listdir(runtime.root()) if name == lab_id]
        assert up.left.run("true") == (0, "")
    assert os.listdir(runtime.root()) == []
    assert not [path for path in cgroups.leftovers() if lab_id in path.name]
    with pytest.raises(LabError, match="left: no SSH connection"):
        Connection(access)


@pytest.mark.parametrize("ready", [True, False])
def test_destroy_may_come_twice_and_before_ready(provider: Provider, alone: Path, ready: bool) -> None:
    lab = provider.start(TOPOLOGY, LIMITS)
    if ready:
        lab.ready()
    lab.destroy()
    lab.destroy()
    assert os.listdir(runtime.root()) == []


def test_asking_a_host_that_was_destroyed_is_our_failure(provider: Provider, alone: Path) -> None:
    lab = provider.start(TOPOLOGY, LIMITS)
    try:
        with Connection(lab.ready().hosts["left"]) as connection:
            asked = hands.Hands(connection)
            asked.ask("sockets")
            lab.destroy()
            begun = time.monotonic()
            with pytest.raises(LabError, match="left: "):
                asked.ask("sockets", patience_s=60)
            with pytest.raises(LabError, match="left: "):
                connection.run("true")
            assert time.monotonic() - begun < 10
    finally:
        lab.destroy()


def _missing(layer: Path) -> None:
    # A whiteout: the file of the layers below is not there any more (overlayfs.rst, "whiteouts").
    os.mknod(layer / "init.py", 0o20000, os.makedev(0, 0))


def _ends(layer: Path) -> None:
    (layer / "init.py").write_text("raise SystemExit('no such luck')\n")


def _mute(layer: Path) -> None:
    (layer / "init.py").write_text("import os\nos.write(4, b'r')\n")


@pytest.mark.parametrize("damage", [_missing, _ends, _mute])
def test_broken_image_is_our_failure_and_leaves_nothing(
    provider: Provider, alone: Path, damage: Callable[[Path], None]
) -> None:
    if not isinstance(provider, NamespaceProvider):
        pytest.skip("not applicable: only this provider's image has layers")
    if damage is _missing and os.geteuid() != 0:
        pytest.skip("not applicable: only root can make a whiteout outside of a namespace")
    provider.prepare()
    assert provider._layers is not None
    broken = NamespaceProvider()
    folder = alone / "layer/usr/lib/labgrader"
    folder.mkdir(parents=True)
    for path in (alone, *folder.relative_to(alone).parents, folder):
        (alone / path).chmod(0o755)
    damage(folder)
    broken._layers = [alone / "layer", *provider._layers]

    before = remains()

    lab = broken.start(TOPOLOGY, LIMITS)
    begun = time.monotonic()
    try:
        with pytest.raises(LabError, match=r"could not be made|could not be reached|did not take the keys"):
            lab.ready()
    finally:
        lab.destroy()

    assert time.monotonic() - begun < 15
    assert os.listdir(runtime.root()) == []
    assert remains() == before


def test_supervisor_that_ends_at_once_is_our_failure(
    provider: Provider, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(provider, NamespaceProvider):
        pytest.skip("not applicable: only this provider has a supervisor")
    monkeypatch.setattr(netns, "SUPERVISOR", alone / "not there.py")
    with pytest.raises(LabError, match=r"could not be (started|made)"), running(provider):
        pass
    assert os.listdir(runtime.root()) == []


def test_lab_comes_up_with_nothing_in_the_environment(
    provider: Provider, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    with running(provider) as up:
        said = up.left.run("cat", "/proc/1/environ")[1]
        assert {item.partition("=")[0] for item in said.split("\0") if item} <= {"LANG", "LC_CTYPE", "PATH"}
