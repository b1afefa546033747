"""Which boxes Vagrant has: seen in its folder, as Vagrant 2.3 and as Vagrant 2.4 lay it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.providers.vagrant import box_choice, box_files

BUILT = "labgrader-VAGRANTSLASH-debian12-0123456789ab"
ALMA = "almalinux-VAGRANTSLASH-8"


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    return tmp_path / "boxes"


def lay(folder: Path, name: str, text: str = "{}") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize("between", ["", "amd64"])
def test_a_box_that_vagrant_has_is_not_fetched_again(boxes: Path, between: str) -> None:
    asked = ("almalinux/8", "virtualbox", "8.10.20240821")
    lay(boxes / ALMA / "8.10.20240821" / between / "libvirt", "metadata.json")
    lay(boxes / ALMA / "8.9.20240408" / between / "virtualbox", "metadata.json")
    assert not box_choice.added(*asked)
    lay(boxes / ALMA / "8.10.20240821" / between / "virtualbox", "metadata.json")
    assert box_choice.added(*asked)


@pytest.mark.parametrize("between", ["", "amd64"])
def test_what_clones_are_linked_to_is_known_for_the_boxes_built_here(boxes: Path, between: str) -> None:
    assert box_choice.masters() == []
    lay(boxes / BUILT / "0" / between / "virtualbox", "master_id", "11111111-1111-1111-1111-111111111111")
    lay(boxes / ALMA / "8.10.20240821" / between / "virtualbox", "master_id", "somebody's")
    assert box_choice.masters() == ["11111111-1111-1111-1111-111111111111"]
    assert sorted(box_choice.masters("*"))[1:] == ["somebody's"]


def test_the_name_of_an_import_is_the_one_in_the_box(boxes: Path) -> None:
    assert box_choice.own_names("almalinux/8") == []
    text = '<VirtualSystem ovf:id="almalinux-8-x86_64">\n<Info>A virtual machine</Info>'
    lay(boxes / ALMA / "8.10.20240821" / "amd64" / "virtualbox", "box.ovf", text)
    lay(boxes / BUILT / "0" / "virtualbox", "box.ovf", box_files.ovf("disk", 1, 1))
    assert box_choice.own_names("almalinux/8") == ["almalinux-8-x86_64"]
    assert box_choice.own_names("labgrader/debian12-0123456789ab") == ["labgrader-debian"]
