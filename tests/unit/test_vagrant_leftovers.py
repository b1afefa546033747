"""What a killed creation left in VirtualBox: found by name, with a VBoxManage that tells and notes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labgrader.providers.vagrant import leftovers, machines, settings, slots

VBOXMANAGE = """\
#!/bin/sh
case "$1 $2" in
"list runningvms") cat "$HERE/running" ;;
"list vms") cat "$HERE/vms" ;;
"unregistervm "*) echo "$2" >> "$HERE/removed" ;;
esac
"""
OVF = '<VirtualSystem ovf:id="almalinux-8-x86_64">'


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A VirtualBox of two files, a Vagrant with a box of a catalogue, and a folder of slots."""
    for variable, folder in (("HERE", ""), ("VAGRANT_HOME", "home"), ("XDG_STATE_HOME", "state")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("LABGRADER_LOCK_FOLDER", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    box = tmp_path / "home/boxes/almalinux-VAGRANTSLASH-8/8.10.20240821/amd64/virtualbox"
    for path in (tmp_path / "bin", box):
        path.mkdir(parents=True)
    (box / "box.ovf").write_text(OVF)
    (box / "master_id").write_text(uuid(2))
    for name, text in (("VBoxManage", VBOXMANAGE), ("vagrant", "#!/bin/sh\necho Vagrant 2.4.9\n")):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def there(here: Path, vms: list[str], running: str = "") -> None:
    """VirtualBox's machines, numbered from 1; those of `running` run."""
    lines = [f'"{name}" {{{uuid(number)}}}\n' for number, name in enumerate(vms, 1)]
    (here / "vms").write_text("".join(lines))
    (here / "running").write_text("".join(line for line in lines if running and running in line))


def unfinished(before: list[str]) -> slots.Slot:
    """A slot whose creation was killed; VirtualBox had `before`."""
    slot, _ = slots.claim("a key", "tcp-server", "libvirt")
    slot.write("slot.json", {**slot.read("slot.json"), "hypervisor": "virtualbox"})
    slot.write(machines.BEFORE, {"machines": before, "boxes": ["almalinux/8"]})
    return slot


def removed(here: Path) -> list[str]:
    path = here / "removed"
    return path.read_text().split() if path.exists() else []


def test_a_half_import_of_a_catalogue_s_box_and_a_half_clone_are_removed_and_nothing_else(here: Path) -> None:
    vms = [
        "somebody's",
        "almalinux-8-x86_64_1732790000000_2",  # what clones are linked to, and finished
        "almalinux-8-x86_64_1732790000000_3",
        "temp_clone_1732790000000_4",
        "almalinux-8-x86_64_1732790000000_5",  # from before
        "almalinux-8-x86_64_1732790000000_6",  # runs: somebody else's Vagrant has not named it yet
        "almalinux-8-x86_1732790000000_7",
        "almalinux-8-x86_64_mine",
        "almalinux-8-x86_64_1_1732790000000_9",  # where VirtualBox had one of the name
    ]
    there(here, vms, running="000_6")
    said = machines.remove(unfinished([uuid(1), uuid(5)]))
    assert sorted(removed(here)) == [uuid(3), uuid(4), uuid(9)]
    assert f"machine {vms[2]} (unfinished)" in said


def test_once_machines_are_kept_nothing_unfinished_is_theirs(here: Path) -> None:
    """They may fail to be restored weeks later: what is being made then is somebody else's."""
    there(here, [])
    slot = unfinished([])
    machines._save(slot, settings.read({}), ["v0"])
    there(here, ["temp_clone_1732790000000_1"])
    machines.remove(slot)
    assert removed(here) == []


@pytest.mark.parametrize(
    ("name", "ends"), [("VBoxManage", True), ("VBoxHeadless", False), ("VBoxSVC", False)]
)
def test_of_virtualbox_s_own_programs_only_its_command_is_ended(here: Path, name: str, ends: bool) -> None:
    program = here / name
    shutil.copy(shutil.which("sleep") or "", program)
    file = here / "machines.json"
    process = subprocess.Popen([program, "600"], env={"LABGRADER_MACHINES": str(file)})
    try:
        said = leftovers.end_orphans(file)
        assert said == ([f"process {process.pid} ({name})"] if ends else [])
        assert (process.wait(10) if ends else process.poll()) == (-15 if ends else None)
    finally:
        process.kill()
        process.wait()
