"""What the doctor says of the machines' box: whose, which, how old, and with what telnetd."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from labgrader.doctor_findings import State
from labgrader.providers.vagrant import box, box_packages, doctor_box
from labgrader.providers.vagrant.box_kernel import Packages
from labgrader.providers.vagrant.box_packages import Contents
from labgrader.providers.vagrant.settings import Settings

DAY_S = 86400.0
FETCHED = Settings("virtualbox", "el8", "almalinux/8", "8.10.20240821")
BUILT = Settings("libvirt", "built", "labgrader/debian12", None)
BOOT = Packages("linux-image-6.1.0-40-amd64", "6.1.153-1", "1:1.35.0-4+b3")
STATUS = """\
Package: inetutils-telnetd
Status: install ok installed
Depends: libc6, libcap2
Version: 2:2.4-2+deb12u3
Description: Telnet server
 Version: of nothing

Package: xinetd
Version: 1:2.3.15.3-1+b1
"""
NEW = {"inetutils-telnetd": "2:2.4-2+deb12u3"}


def added(boxes: Path, *place: str) -> None:
    folder = boxes.joinpath(*place)
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text("{}")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def a_box(packages: dict[str, str], days: float = 0) -> box.Boxes:
    """As if it had been built here, without its disks."""
    folder = box._folder()
    folder.mkdir(exist_ok=True)
    box_packages.write(folder, Contents(time.time() - days * DAY_S, packages))
    made = box.built()
    assert made is not None
    return made[0]


def test_a_box_of_a_catalogue_is_looked_for_with_version_and_hypervisor(tmp_path: Path) -> None:
    missing = doctor_box.fetched(FETCHED, tmp_path)
    assert missing.line == (
        "note   box: almalinux/8 8.10.20240821 for virtualbox is not here yet; Vagrant fetches it from its "
        "catalogue for the first lab; where that cannot be reached: export LABGRADER_BOX=built"
    )
    added(tmp_path, "almalinux-VAGRANTSLASH-8", "8.10.20240821", "libvirt")
    added(tmp_path, "almalinux-VAGRANTSLASH-8", "8.9.0", "virtualbox")
    assert doctor_box.fetched(FETCHED, tmp_path).state is State.NOTE
    # As Vagrant 2.4 has it, with the architecture between.
    added(tmp_path, "almalinux-VAGRANTSLASH-8", "8.10.20240821", "amd64", "virtualbox")
    assert doctor_box.fetched(FETCHED, tmp_path).state is State.OK


def test_a_built_box_is_this_ones_and_this_hypervisors(tmp_path: Path, cache: Path) -> None:
    boxes = tmp_path / "boxes"
    added(boxes, "labgrader-VAGRANTSLASH-debian12-0123456789ab", "0", "libvirt")
    (found,) = doctor_box.findings(BUILT, boxes)
    assert found.line == "note   box: labgrader/debian12 is not made yet; run: ./lab box build"
    assert found.fix is not None

    name = f"labgrader-VAGRANTSLASH-debian12-{a_box(NEW).digest[:12]}"
    added(boxes, name, "0", "virtualbox")
    found, age, telnetd = doctor_box.findings(BUILT, boxes)
    assert found.state is State.NOTE and "the first lab gives it to Vagrant" in found.message
    added(boxes, name, "0", "libvirt")
    found, age, telnetd = doctor_box.findings(BUILT, boxes)
    assert [item.state for item in (found, age)] == [State.OK, State.OK]
    assert age.message == "its packages were taken today"
    assert telnetd.name == "telnetd in the box"

    # With newer packages it is another box for Vagrant, too.
    a_box({**NEW, "xinetd": "1:2.3.15.4-1"})
    assert next(iter(doctor_box.findings(BUILT, boxes))).state is State.NOTE


@pytest.mark.parametrize(
    ("days", "packages", "states"),
    [
        (3, NEW, [State.OK, State.OK]),
        (31, NEW, [State.NOTE, State.OK]),
        (3, {"inetutils-telnetd": "2:2.4-2+deb12u1"}, [State.OK, State.NOTE]),
        (3, {}, [State.OK, State.NOTE]),
    ],
)
def test_an_old_box_and_an_unsafe_telnetd_are_noted(
    days: float, packages: dict[str, str], states: list[State]
) -> None:
    found = list(doctor_box.contents(Contents(0.0, packages), "bookworm", days * DAY_S))
    assert [item.state for item in found] == states
    for item in found:
        if item.state is State.NOTE:
            assert item.remedy is not None and item.remedy.endswith("run: ./lab box build --renew")
            assert item.fix is not None


def test_the_packages_of_a_root_file_system_are_kept_beside_the_box(tmp_path: Path) -> None:
    status = tmp_path / "rootfs/var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(STATUS)
    os.utime(status, (1_000_000, 1_000_000))
    known = box_packages.contents(tmp_path / "rootfs", BOOT)
    assert known == Contents(
        1_000_000,
        {
            "inetutils-telnetd": "2:2.4-2+deb12u3",
            "xinetd": "1:2.3.15.3-1+b1",
            "linux-image-6.1.0-40-amd64": "6.1.153-1",
            "busybox-static": "1:1.35.0-4+b3",
        },
    )
    box_packages.write(tmp_path, known)
    assert box_packages.read(tmp_path) == known
    later = Contents(2_000_000, known.packages)
    assert later.digest == known.digest
    (tmp_path / box_packages.NAME).write_text('{"taken": 1, "packages": 3}')
    assert box_packages.read(tmp_path) is None


def test_the_name_by_hand_is_none_that_labgrader_removes(tmp_path: Path) -> None:
    made = box.Boxes(tmp_path / "a b.box", tmp_path / "v.box", "0123456789abcdef")
    lines = box.by_hand(made)
    add = "  LAB=tcp-server vagrant box add --name by-hand/debian12-0123456789ab --provider libvirt"
    assert f"{add} '{tmp_path}/a b.box'" in lines
    assert not [line for line in lines if " labgrader/" in line or "=labgrader/" in line]
