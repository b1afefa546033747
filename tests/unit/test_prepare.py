"""Preparing a virtual machine: refused settings, files laid and kept, edits of a system's own files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labgrader.guest.vm import contract

VM = Path(contract.__file__).parent
GUEST = VM.parent
GOOD: dict[str, Any] = {
    "hostname": "V0",
    "interfaces": [{"mac": "02:00:00:00:00:01", "name": "eth0"}],
    "disk_mb": 64,
    "host_key": "",
    "authorized_key": "",
    "machine_id": "",
}
ASK = (
    "import sys; sys.path[:0] = [{vm!r}, {lib!r}]; import prepare\n"
    "try: prepare.read_settings({path!r}); print('taken')\n"
    "except (ValueError, OSError) as error: print(error)"
)


def read(path: Path) -> str:
    """What prepare.py makes of a settings file: "taken", or its sentence; in a Python of its own."""
    code = ASK.format(vm=str(VM), lib=str(GUEST / "lib"), path=str(path))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "taken"),
        ({"interfaces": []}, "taken"),
        ({"machine_id": "0" * 32}, "taken"),
        ({"hostname": "v0.example.net"}, "taken"),
        ({"hostname": ""}, "hostname"),
        ({"hostname": "v0\nv1"}, "hostname"),
        ({"hostname": "v0\n"}, "hostname"),
        ({"hostname": "-v0"}, "hostname"),
        ({"interfaces": [{"mac": "0200", "name": "eth0"}]}, "interface"),
        ({"interfaces": [{"mac": "02:00:00:00:00:01", "name": "eth0 down; reboot"}]}, "interface"),
        ({"interfaces": [{"mac": "02:00:00:00:00:01", "name": "a" * 16}]}, "interface"),
        ({"interfaces": [{"mac": "02:00:00:00:00:01", "name": "eth0"}] * 2}, "same name"),
        ({"interfaces": [{"mac": "02:00:00:00:00:01"}]}, "interface"),
        ({"interfaces": ["eth0"]}, "interface"),
        ({"disk_mb": 0}, "disk_mb"),
        ({"disk_mb": "a lot"}, "disk_mb"),
        ({"disk_mb": None}, "disk_mb"),
        ({"machine_id": "0" * 31}, "machine_id"),
        ({"host_key": 3}, "host_key"),
    ],
)
def test_settings(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**GOOD, **change}))
    assert words in read(path)


@pytest.mark.parametrize("text", ["", "[]", "null", '"V0"', "{"])
def test_a_file_that_is_no_settings_is_told_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    said = read(path)
    assert said != "taken" and "\n" not in said


def test_the_digest_knows_names_contents_and_programs(tmp_path: Path) -> None:
    for folder in ("lib", "rootfs/etc"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("install.py", "lib/a.py", "rootfs/etc/hosts"):
        (tmp_path / name).write_text(name)
    seen = [contract.digest(str(tmp_path))]
    (tmp_path / "lib" / "__pycache__").mkdir()
    (tmp_path / "lib" / "__pycache__" / "a.pyc").write_text("made by whoever imported it")
    assert contract.digest(str(tmp_path)) == seen[0]
    (tmp_path / "lib/a.py").write_text("other")
    seen.append(contract.digest(str(tmp_path)))
    (tmp_path / "lib/a.py").chmod(0o755)
    seen.append(contract.digest(str(tmp_path)))
    (tmp_path / "lib/a.py").rename(tmp_path / "lib/b.py")
    seen.append(contract.digest(str(tmp_path)))
    (tmp_path / "install.py").write_text("more")
    seen.append(contract.digest(str(tmp_path)))
    assert len(set(seen)) == len(seen)


def test_every_file_of_the_guest_folder_has_its_place() -> None:
    places = dict(contract.files(str(GUEST)))
    assert places["usr/lib/labgrader/management.py"] == str(GUEST / "lib" / "management.py")
    assert places["etc/named.conf"] == str(GUEST / "rootfs/etc/named.conf")
    assert "usr/lib/labgrader/install.py" in places
    assert not any(name.startswith(("/", "../", "./")) for name in places)


def test_a_small_file_is_replaced_whole_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    contract.write(str(path), "first\n", 0o644)
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    (tmp_path / "deep" / "key.labgrader-new").symlink_to(outside)
    contract.write(str(path), "second\n", 0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("second\n", 0o600)
    assert outside.read_text() == "not ours"
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


EDIT = (
    "import sys; sys.path[:0] = [{vm!r}, {lib!r}]; import prepare_el\n"
    "sys.stdout.write(getattr(prepare_el, {name!r})(sys.stdin.read()))"
)


def edited(name: str, text: str) -> str:
    code = EDIT.format(vm=str(VM), lib=str(GUEST / "lib"), name=name)
    done = subprocess.run([sys.executable, "-I", "-c", code], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


REMOTE = """\
#%PAM-1.0
auth       substack     password-auth
auth       include      postlogin
account    required     pam_nologin.so
"""


def test_root_is_refused_before_anything_else_is_asked() -> None:
    lines = edited("with_securetty", REMOTE).splitlines()
    assert lines[0] == "#%PAM-1.0" and "pam_securetty.so" in lines[1] and lines[2:] == REMOTE.splitlines()[1:]
    once = edited("with_securetty", REMOTE)
    assert edited("with_securetty", once) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# SELINUX= can be one of\nSELINUX=enforcing\nSELINUXTYPE=targeted\n", "SELINUX=permissive"),
        ("SELINUX=disabled\n", "SELINUX=disabled"),
        ("SELINUXTYPE=targeted\n", "SELINUX=permissive"),
    ],
)
def test_selinux_warns_and_does_not_refuse(before: str, after: str) -> None:
    changed = edited("permissive", before)
    assert [line for line in changed.splitlines() if line.startswith("SELINUX=")] == [after]
    assert edited("permissive", changed) == changed
