"""A namespace lab's life: what is left of it, and what a broken image or supervisor comes to."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.providers import netns
from labgrader.providers.netns import NamespaceProvider, cgroups, runtime
from tests.contract.labs import LIMITS, TOPOLOGY, running

pytestmark = pytest.mark.namespaces


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


def _missing(layer: Path) -> None:
    # A whiteout: the file of the layers below is not there any more (overlayfs.rst, "whiteouts").
    os.mknod(layer / "init.py", 0o20000, os.makedev(0, 0))


def _ends(layer: Path) -> None:
    (layer / "init.py").write_text("raise SystemExit('no such luck')\n")


def _mute(layer: Path) -> None:
    (layer / "init.py").write_text("import os\nos.write(4, b'r')\n")


@pytest.mark.parametrize("damage", [_missing, _ends, _mute])
def test_broken_image_is_our_failure_and_leaves_nothing(
    provider: NamespaceProvider, alone: Path, damage: Callable[[Path], None]
) -> None:
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
    provider: NamespaceProvider, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netns, "SUPERVISOR", alone / "not there.py")
    with pytest.raises(LabError, match=r"could not be (started|made)"), running(provider):
        pass
    assert os.listdir(runtime.root()) == []


def test_lab_comes_up_with_nothing_in_the_environment(
    provider: NamespaceProvider, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    with running(provider) as up:
        said = up.left.run("cat", "/proc/1/environ")[1]
        assert {item.partition("=")[0] for item in said.split("\0") if item} <= {"LANG", "LC_CTYPE", "PATH"}


def test_lab_that_was_destroyed_leaves_nothing(provider: NamespaceProvider, alone: Path) -> None:
    with running(provider) as up:
        lab_id = up.lease.lab_id
        assert [name for name in os.listdir(runtime.root()) if name == lab_id]
    assert os.listdir(runtime.root()) == []
    assert not [path for path in cgroups.leftovers() if lab_id in path.name]


@pytest.mark.parametrize("ready", [True, False])
def test_destroy_leaves_nothing_before_ready_either(
    provider: NamespaceProvider, alone: Path, ready: bool
) -> None:
    lab = provider.start(TOPOLOGY, LIMITS)
    if ready:
        lab.ready()
    lab.destroy()
    assert os.listdir(runtime.root()) == []
