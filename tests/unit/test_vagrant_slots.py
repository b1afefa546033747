"""Slots of kept machines and the machine's lock: who holds what, also when a holder is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labgrader.errors import LabError, UsageError
from labgrader.providers.vagrant import host_lock, settings, slots


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LABGRADER_LOCK_FOLDER", str(tmp_path))


def holder(code: str) -> subprocess.Popen[str]:
    """A process that runs `code`, says a line, and then waits to be killed."""
    program = f"{code}\nprint('holds', flush=True)\nimport time\ntime.sleep(60)\n"
    process = subprocess.Popen([sys.executable, "-P", "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_new_slot_is_being_made_and_is_found_again_only_when_it_was_finished() -> None:
    slot, there = slots.claim("a key", "tcp-server", "libvirt")
    assert (there, slot.state) == (False, slots.MAKING)
    assert slot.prefix == f"labgrader-{slot.id}-"
    slot.release()
    other, there = slots.claim("a key", "tcp-server", "libvirt")
    assert not there and other.id != slot.id, "a half of one is of no use"
    other.become(slots.OFF)
    other.release()
    again, there = slots.claim("a key", "tcp-server", "libvirt")
    assert there and again.id == other.id
    second, there = slots.claim("a key", "tcp-server", "libvirt")
    assert not there, "what somebody uses is not given twice"
    again.release()
    different, there = slots.claim("another key", "tcp-server", "libvirt")
    assert not there
    assert sorted(slots.claimed()) == sorted([second.id, different.id])


def test_finished_slots_of_the_same_lab_and_box_for_another_key_are_superseded() -> None:
    made = {}
    for name, key, lab, box, state in (
        ("old", "an older key", "tcp-server", "libvirt", slots.OFF),
        ("killed", "another older key", "tcp-server", "libvirt", slots.LEASED),
        ("half", "an older key", "tcp-server", "libvirt", slots.MAKING),
        ("other lab", "an older key", "network-services", "libvirt", slots.OFF),
        ("other box", "an older key", "tcp-server", "virtualbox", slots.OFF),
        ("in use", "a third key", "tcp-server", "libvirt", slots.OFF),
        ("beside", "a key", "tcp-server", "libvirt", slots.OFF),
    ):
        made[name], there = slots.claim(key, lab, box)
        assert not there
        made[name].become(state)
    for name, slot in made.items():
        if name not in ("in use", "beside"):
            slot.release()
    new, there = slots.claim("a key", "tcp-server", "libvirt")
    assert not there
    made["beside"].release()
    found = list(slots.superseded(new))
    assert {slot.id for slot in found} == {made["old"].id, made["killed"].id}
    assert sorted(slots.claimed()) == sorted([new.id, made["in use"].id, *(slot.id for slot in found)])


def test_slot_of_a_killed_process_is_free_and_still_says_that_it_was_leased() -> None:
    process = holder(
        "from labgrader.providers.vagrant import slots\n"
        "slot, _ = slots.claim('a key', 'tcp-server', 'libvirt')\n"
        "slot.become(slots.LEASED)"
    )
    assert len(slots.claimed()) == 1
    end(process)
    (slot,) = slots.unclaimed()
    assert slot.state == slots.LEASED
    slot.forget()
    assert list(slots.root().iterdir()) == []


def test_torn_state_file_counts_as_unfinished() -> None:
    slot, _ = slots.claim("a key", "tcp-server", "libvirt")
    (slot.folder / "slot.json").write_text('{"state": "of')
    assert slot.state == slots.MAKING
    (slot.folder / "slot.json").write_text("[]")
    assert slot.state == slots.MAKING


def test_keys_of_a_slot_are_its_owner_s_alone() -> None:
    slot, _ = slots.claim("a key", "tcp-server", "libvirt")
    slot.write("machines.json", {"host_key": "secret"})
    assert (slot.folder / "machines.json").stat().st_mode & 0o777 == 0o600
    assert slot.folder.stat().st_mode & 0o777 == 0o700


def test_lock_is_one_for_all_processes_and_free_when_its_holder_is_killed() -> None:
    said: list[str] = []
    process = holder(
        "import contextlib\nfrom labgrader.providers.vagrant import host_lock\n"
        "held = host_lock.held(print)\nheld.__enter__()"
    )
    with pytest.raises(LabError, match="Another labgrader holds"), host_lock.held(said.append, wait_s=0.3):
        pass
    assert said == ["Another labgrader is making or restoring machines; waiting for it…"], "told once"
    assert not host_lock.remove(), "it is held"
    end(process)
    with host_lock.held(said.append, wait_s=5):
        pass
    assert host_lock.remove()
    assert not host_lock.path().exists()
    assert not host_lock.remove()


def test_lock_that_was_removed_while_waited_for_is_made_anew() -> None:
    process = holder(
        "from labgrader.providers.vagrant import host_lock\nheld = host_lock.held(print)\nheld.__enter__()"
    )
    host_lock.path().unlink()
    with host_lock.held(print, wait_s=5):
        assert host_lock.path().exists()
    end(process)


def test_lock_is_never_followed_elsewhere(tmp_path: Path) -> None:
    target = tmp_path / "target"
    host_lock.path().symlink_to(target)
    with pytest.raises(LabError, match="cannot be opened"), host_lock.held(print, wait_s=0.1):
        pass
    assert not target.exists()


def test_lock_is_where_every_user_may_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABGRADER_LOCK_FOLDER")
    monkeypatch.setattr(host_lock, "FOLDER", tmp_path / "lock")
    monkeypatch.setattr(host_lock, "ELSE", tmp_path / "tmp")
    assert host_lock.path().parent == tmp_path / "tmp", "there is none"
    (tmp_path / "lock").mkdir()
    for mode, folder in ((0o755, "tmp"), (0o1777, "lock")):
        (tmp_path / "lock").chmod(mode)
        assert host_lock.path().parent == tmp_path / folder


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"VAGRANT_DEFAULT_PROVIDER": "docker"}, "knows virtualbox and libvirt"),
        ({"LABGRADER_BOX": "windows"}, "there are el8, debian, built"),
        ({"LABGRADER_LIBVIRT_DRIVER": "xen"}, "kvm, or qemu"),
        ({"LABGRADER_BOOT_TIMEOUT": "soon"}, "a number of seconds"),
        ({"LABGRADER_BOOT_TIMEOUT": "5"}, "from 10 to 3600"),
    ],
)
def test_wrong_setting_is_told(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        settings.read(environment)


def test_settings_have_defaults_for_production() -> None:
    read = settings.read({})
    assert (read.hypervisor, read.box, read.box_name) == ("virtualbox", "el8", "almalinux/8")
    assert read.box_version, "a box from a catalogue is pinned"


def test_waiting_for_the_lock_takes_no_processor_time() -> None:
    process = holder(
        "from labgrader.providers.vagrant import host_lock\nheld = host_lock.held(print)\nheld.__enter__()"
    )
    begun = time.process_time()
    with pytest.raises(LabError), host_lock.held(lambda _: None, wait_s=1.0):
        pass
    assert time.process_time() - begun < 0.5
    end(process)
    assert os.path.exists(host_lock.path())
