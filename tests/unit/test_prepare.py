"""Preparing a virtual machine: refused settings, files laid and kept, edits of a system's own files."""

from __future__ import annotations

import json
import os
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
        ({"forward": True}, "taken"),
        ({"forward": "yes"}, "forward"),
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


# Stands for each program that the preparation calls: notes the call, and whether the swap file is there.
NOTES = """#!/bin/sh
set -- "${0##*/}" "$@"
test -e "$SWAP" && set -- "with swap:" "$@"
echo "$*" >> "$CALLS"
case " $FAILS " in *" ${0##*/} "*) exit 1 ;; esac
"""
INSTALL = (
    "import sys; sys.path[:0] = [{vm!r}, {lib!r}]; import prepare_el; prepare_el.SWAP_MB = 1\n"
    "prepare_el.install(['bind', 'xinetd'], {swap!r}, {meminfo!r})"
)
SMALL = "MemTotal:         498268 kB\nMemFree: 9 kB\nSwapTotal:             0 kB\n"
LARGE = "MemTotal:         998268 kB\nMemFree: 9 kB\nSwapTotal:       1048576 kB\n"


def installed(folder: Path, meminfo: str, fails: str = "rpm") -> list[str]:
    """The commands that installing two packages takes; those of `fails` end with 1."""
    (folder / "bin").mkdir()
    for name in ("rpm", "dnf", "mkswap", "swapon", "swapoff"):
        (folder / "bin" / name).write_text(NOTES)
        (folder / "bin" / name).chmod(0o755)
    (folder / "meminfo").write_text(meminfo)
    paths = {"swap": str(folder / "swap"), "meminfo": str(folder / "meminfo")}
    environment = {
        **os.environ,
        "PATH": f"{folder}/bin:/usr/bin:/bin",
        "CALLS": str(folder / "calls"),
        "SWAP": paths["swap"],
        "FAILS": fails,
    }
    code = INSTALL.format(vm=str(VM), lib=str(GUEST / "lib"), **paths)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == ("dnf" in fails), done.stderr
    assert not (folder / "swap").exists()
    return (folder / "calls").read_text().splitlines()


def test_what_is_installed_is_not_asked_of_an_archive_that_nobody_reaches_any_more(tmp_path: Path) -> None:
    assert installed(tmp_path, SMALL, fails="none") == ["rpm -q --quiet --whatprovides bind xinetd"]


@pytest.mark.parametrize("fails", ["rpm", "rpm dnf"])
def test_dnf_has_memory_enough_and_what_it_was_given_goes_again(tmp_path: Path, fails: str) -> None:
    swap = tmp_path / "swap"
    assert installed(tmp_path, SMALL, fails)[1:] == [
        f"with swap: mkswap {swap}",
        f"with swap: swapon {swap}",
        "with swap: dnf -y -q install bind xinetd",
        f"with swap: swapoff {swap}",
    ]


def test_where_there_is_memory_none_is_added(tmp_path: Path) -> None:
    assert installed(tmp_path, LARGE)[1:] == ["dnf -y -q install bind xinetd"]


def test_no_network_script_asks_who_has_an_address(tmp_path: Path) -> None:
    """As initscripts 10 reads it (network-functions, expand_config), by the shell that it is written for."""
    path = tmp_path / "network"
    path.write_text(edited("without_questions", (GUEST / "rootfs/etc/sysconfig/network").read_text()))
    assert edited("without_questions", path.read_text()) == path.read_text()
    script = (
        '. "$1"; ARPCHECK2=yes; echo "$NETWORKING${number-}"; '
        "for idx in '' {0..255}; do eval echo '$'ARPCHECK$idx; done | sort | uniq -c"
    )
    done = subprocess.run(["bash", "-euc", script, "bash", str(path)], capture_output=True, text=True)
    assert done.stdout.split() == ["yes", "256", "no", "1", "yes"], done.stderr
