"""The stand-in by itself: what it must refuse, and that disks stand upon each other as they should."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgrader.providers.vagrant.box import Boxes
from tests.vagrant.conftest import STAND_IN, Hypervisor, end

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def unpacked(box: Boxes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The box for VirtualBox as Vagrant unpacks it; its OVF."""
    folder = tmp_path_factory.mktemp("box")
    with tarfile.open(box.virtualbox) as archive:
        archive.extractall(folder, filter="data")
    return folder / "box.ovf"


@pytest.fixture
def call(virtualbox: Hypervisor, room: Path) -> Iterator[Call]:
    """Calls the stand-in with a state folder of this test's own, its path short enough for sockets."""
    state = Path(tempfile.mkdtemp(prefix="s-", dir=room))

    def run(*words: str, status: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [STAND_IN / "VBoxManage", *words],
            env={**virtualbox.environment, "STAND_IN_STATE": str(state), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if status is None:
            assert done.returncode != 0, done.stdout
        else:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    yield run
    for line in run("list", "runningvms").stdout.splitlines():
        run("controlvm", line.rpartition("{")[2].rstrip("}"), "poweroff")


@pytest.fixture
def imported(call: Call, unpacked: Path) -> str:
    """The name of a machine that was imported from the box."""
    call("import", str(unpacked), "--vsys", "0", "--vmname", "master")
    return "master"


def disk_of(call: Call, name: str) -> str:
    lines = call("showvminfo", name, "--machinereadable").stdout.splitlines()
    return next(line.split("=")[1].strip('"') for line in lines if line.startswith('"SATA Controller-0-0"'))


def backing_of(disk: str) -> str | None:
    said = subprocess.run(["qemu-img", "info", "--output=json", disk], capture_output=True, check=True).stdout
    found: str | None = json.loads(said).get("backing-filename")
    return found


def test_it_names_itself_for_what_it_is(call: Call) -> None:
    said = call("--version").stdout
    assert "StandIn" in said and "Qemu" in said
    assert said.split("_")[0].split("r")[0] == "7.0.20"  # as Vagrant reads it


def test_a_linked_clone_stands_upon_the_snapshot(call: Call, imported: str) -> None:
    frozen = disk_of(call, imported)
    call("snapshot", imported, "take", "base")
    call("clonevm", imported, "--register", "--name", "clone", "--snapshot", "base", "--options", "link")

    assert backing_of(disk_of(call, "clone")) == frozen
    assert backing_of(disk_of(call, imported)) == frozen
    refused = call("unregistervm", imported, "--delete", status=1)
    assert "VBOX_E_OBJECT_IN_USE" in refused.stderr
    call("unregistervm", "clone", "--delete")
    call("unregistervm", imported, "--delete")
    assert not Path(frozen).parent.exists()


def test_what_was_restored_is_what_was_taken(call: Call, imported: str) -> None:
    call("modifyvm", imported, "--memory", "300", "--nic2", "intnet", "--intnet2", "lan")
    call("snapshot", imported, "take", "first")
    call("modifyvm", imported, "--memory", "400", "--nic2", "none")
    written = disk_of(call, imported)
    call("snapshot", imported, "restore", "first")

    said = call("showvminfo", imported, "--machinereadable").stdout.splitlines()
    assert {"memory=300", 'nic2="intnet"', 'intnet2="lan"', 'CurrentSnapshotName="first"'} <= set(said)
    assert not Path(written).exists()


def test_a_card_and_its_bridge_end_with_the_machine(call: Call, imported: str) -> None:
    def state() -> str:
        lines = call("showvminfo", imported, "--machinereadable").stdout.splitlines()
        return next(line for line in lines if line.startswith("VMState="))

    call("modifyvm", imported, "--nic2", "intnet", "--intnet2", "lan")
    call("startvm", imported, "--type", "headless", STAND_IN_FROZEN="1")
    assert state() == 'VMState="running"'
    taps = {link["ifname"] for link in links() if link["ifname"].startswith("vb")}
    assert len(taps) == 2  # the card's end and its bridge
    pid = next(Path(virtualbox_state(call)).glob("machines/*/pid"))
    end(int(pid.read_text()))
    assert state() == 'VMState="aborted"'
    assert {link["ifname"] for link in links()} & taps == {bridge for bridge in taps if "vbi" in bridge}
    call("startvm", imported, "--type", "headless", STAND_IN_FROZEN="1")
    call("controlvm", imported, "poweroff")
    assert state() == 'VMState="poweroff"'
    assert not {link["ifname"] for link in links()} & taps


def virtualbox_state(call: Call) -> str:
    said = call("list", "systemproperties").stdout
    return str(Path(said.partition(":")[2].strip()).parent)


def links() -> list[dict[str, str]]:
    said = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout
    found: list[dict[str, str]] = json.loads(said)
    return found


WRONG = [
    ("modifyvm master --nic1 hostonly", "no network of the kind"),
    ("modifyvm master --memroy 512", "Unknown option: --memroy"),
    ("modifyvm master --natpf1 ssh,tcp,127.0.0.1,22", "Invalid port-forwarding rule"),
    ("modifyvm master --macaddress1 010000000001", "Invalid MAC address"),
    ("snapshot master restore none", "Could not find a snapshot named 'none'"),
    ("controlvm master poweroff", "is not currently running"),
    ("startvm other", "VBOX_E_OBJECT_NOT_FOUND"),
    ("sharedfolder add master", "Invalid command 'sharedfolder'"),
]


def test_what_is_wrong_is_refused(call: Call, imported: str) -> None:
    said = {words: call(*words.split(), status=None).stderr for words, _ in WRONG}
    assert [words for words, says in WRONG if says not in said[words]] == []


@pytest.mark.parametrize(
    "error", ["VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_IN_USE", "VERR_VM_DRIVER_NOT_INSTALLED"]
)
def test_failures_on_demand(call: Call, error: str) -> None:
    done = call("startvm", "any", "--type", "headless", status=1, STAND_IN_FAIL=f"startvm: {error}")
    assert done.stderr.startswith("VBoxManage: error: ")
    assert "NS_ERROR_FAILURE" in done.stderr
    warned = call("--version", STAND_IN_FAIL=f"startvm: {error}").stdout
    assert ("vboxdrv kernel module is not loaded" in warned) == (error == "VERR_VM_DRIVER_NOT_INSTALLED")


def test_a_full_disk_on_demand(call: Call, unpacked: Path) -> None:
    done = call("import", str(unpacked), status=1, STAND_IN_FAIL="import: VERR_DISK_FULL")
    assert "(VERR_DISK_FULL)" in done.stderr
    assert call("list", "vms").stdout == ""


def test_an_ovf_that_contradicts_its_disk_is_refused(call: Call, unpacked: Path, tmp_path: Path) -> None:
    text = unpacked.read_text()
    for path in unpacked.parent.iterdir():
        (tmp_path / path.name).symlink_to(path)
    wrong = tmp_path / "wrong.ovf"
    wrong.write_text(text.replace('ovf:capacity="', 'ovf:capacity="1'))
    assert text != wrong.read_text()
    assert "is a disk of" in call("import", "-n", str(wrong), status=1).stderr
