"""Ids, cgroups and the image's digest."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
from pathlib import Path

import pytest

from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.providers.netns import cgroups, ids, image

NAME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (f"{NAME}:100000:65536\n", 100000),
        (f"{os.geteuid()}:231072:65536\n", 231072),
        (f"  {NAME}:100000:65536  \n", 100000),
        (f"somebody:1:65536\n{NAME}:300000:1000\n{NAME}:400000:131072\n", 400000),
        (f"{NAME}x:1:65536\nx{NAME}:1:65536\n{NAME}:500000:65536", 500000),
        (f"# a comment\n\n:::\n{NAME}\n{NAME}:\n{NAME}:7\n{NAME}:600000:65536\n", 600000),
        (f"{NAME}:abc:65536\n{NAME}:-5:65536\n{NAME}:1e5:65536\n{NAME}:700000:65536\n", 700000),
        (f"{NAME}:²³:65536\n{NAME}:٣٠٠:65536\n{NAME}:100:६५५३६\n{NAME}:800000:65536\n", 800000),
        (f"{NAME}:0:65536\n{NAME}:4294967290:65536\n{NAME}:900000:65536\n", 900000),
        (f"{NAME}:99999999999999999999:65536\n{NAME}:100:{'9' * 5000}\n{NAME}:910000:65536\n", 910000),
        (f"{NAME}:1:65536:extra\n{NAME}:920000:65536\n", 920000),
    ],
)
def test_subordinate_ids(tmp_path: Path, content: str, first: int) -> None:
    path = tmp_path / "subuid"
    path.write_text(content)
    assert ids._subordinate(str(path)) == first


@pytest.mark.parametrize(
    ("content", "ids_that_are_free"),
    [
        (None, "100000-165535"),
        (b"", "100000-165535"),
        (b"\xff\xfe\x00\x01", "100000-165535"),
        (b"a:0:1\n" * 10000, "100000-165535"),
        # As adduser(8) gave them to whoever was there before.
        (b"somebody:100000:65536\n", "165536-231071"),
        (b"b:165536:65536\na:100000:65536\n", "231072-296607"),
        (b"a:99999:2\nb:200000:1\n", "100001-165536"),
        (b"a:165000:1000\nb:231535:9\n", "231544-297079"),
    ],
)
def test_no_subordinate_ids_is_told_with_the_command_that_grants_some_that_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, ids_that_are_free: str
) -> None:
    monkeypatch.setattr(ids, "FILES", (str(tmp_path / "subuid"), str(tmp_path / "subgid")))
    path = tmp_path / "subgid"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError) as caught:
        ids._subordinate(str(path))
    assert str(path) in caught.value.message
    free = ids_that_are_free
    assert caught.value.message.endswith(f"sudo usermod --add-subuids {free} --add-subgids {free} {NAME}")


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the guest's own files for the image to be made of."""
    copy = tmp_path / "guest"
    shutil.copytree(image.GUEST, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(image, "GUEST", copy)
    return copy


def test_digest_of_the_image_follows_the_guest_s_files(guest: Path) -> None:
    seen = [image._image_digest()]
    assert image._image_digest() == seen[0], "the same files, the same digest"

    def differs() -> None:
        digest = image._image_digest()
        assert digest not in seen
        seen.append(digest)

    (guest / "lib" / "agent.py").write_bytes((guest / "lib" / "agent.py").read_bytes() + b"\n")
    differs()
    (guest / "rootfs/usr/sbin/ifup").chmod(0o644)
    differs()
    (guest / "rootfs/etc/xinetd.conf").rename(guest / "rootfs/etc/xinetd.conf.old")
    differs()
    (guest / "rootfs/etc/new").symlink_to("xinetd.conf.old")
    differs()
    (guest / "rootfs/etc/new").unlink()
    (guest / "rootfs/etc/new").symlink_to("passwd")
    differs()
    (guest / "install.py").write_text("# nothing to be done\n")
    differs()


def test_digest_of_the_image_overlooks_what_is_no_part_of_it(guest: Path) -> None:
    before = image._image_digest()
    (guest / "lib" / "__pycache__").mkdir()
    (guest / "lib" / "__pycache__" / "agent.cpython-311.pyc").write_bytes(b"\0")
    os.utime(guest / "lib" / "agent.py", (1, 1))
    assert image._image_digest() == before


def _writable() -> bool:
    return any(
        os.access(path, os.W_OK) for path in (cgroups.ROOT / "pids", cgroups.ROOT / "cgroup.subtree_control")
    )


@pytest.mark.skipif(not _writable(), reason="not applicable: no cgroup is ours to divide here")
def test_cgroups_hold_what_they_say() -> None:
    lab_id = secrets.token_hex(4)
    limits = Limits(processes=33, memory_mb=64, disk_mb=8, cpus=0.5)

    made = cgroups.make(lab_id, ["v0", "v1"], limits)
    try:
        ours = {path for path in cgroups.leftovers() if lab_id in path.name}
        assert {Path(path) for paths in made.directories.values() for path in paths} == ours
        assert {path.name for path in ours} == {f"labgrader-{lab_id}-v0", f"labgrader-{lab_id}-v1"}
        found = {}
        for path in ours:
            for name in ("pids.max", "memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us"):
                if (path / name).exists():
                    found[name] = (path / name).read_text().split()[0]
        if "processes" in made.held:
            assert int(found["pids.max"]) == 33 + cgroups.HOST_PROCESSES
        if "memory" in made.held:
            most = found.get("memory.max") or found["memory.limit_in_bytes"]
            assert 64 << 20 < int(most) < 1 << 30
        if "cpus" in made.held:
            assert int(found.get("cpu.max") or found["cpu.cfs_quota_us"]) == cgroups.PERIOD_US // 2
        assert made.held, "a cgroup that holds nothing would be none"
        assert all(re.fullmatch(r".*cgroup v[12].*", by) for by in made.held.values())
    finally:
        for directory in [item for items in made.directories.values() for item in items]:
            os.rmdir(directory)
