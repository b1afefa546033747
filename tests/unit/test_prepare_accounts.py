"""The course's accounts have the course's numbers, on a box whose own account had one of them first."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labgrader.guest.vm import contract
from labgrader.providers.netns import image

VM = Path(contract.__file__).parent
WANTED = {"named": 25, "lisi": 1000, "student": 1001}
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
named:x:25:25:Named:/var/named:/bin/false
vagrant:x:1000:1000::/home/vagrant:/bin/bash
guest:x:1100:1100::/home/guest:/bin/bash
other:x:1001:100::/srv/other:/bin/bash
"""
GROUP = "root:x:0:\nnamed:x:25:\nwheel:x:10:vagrant\nvagrant:x:1000:\nguest:x:1100:\nusers:x:100:\n"
# As root of the hosts' ids, who may give files away: a box's system, prepared twice, and whose is what then.
SCRIPT = """\
set -e
umask 022
mkdir -p etc home/vagrant/.ssh
cp passwd group etc
touch home/vagrant/.ssh/authorized_keys secret
ln -s ../../secret home/vagrant/link
chown -hR 1000:1000 home/vagrant
python3 -I -B -c "$1"
find home secret -mindepth 0 -printf '%p %U:%G\\n' | sort > owners
stat -c '%i' etc/passwd etc/group > once
python3 -I -B -c "$1"
stat -c '%i' etc/passwd etc/group | cmp once -
"""
FREE = f"import sys; sys.path.insert(0, 'vm'); import accounts; accounts.free({WANTED!r}, '.')"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where that root may work."""
    path = Path(tempfile.mkdtemp(prefix="labgrader-accounts-"))
    path.chmod(0o777)
    (path / "vm").mkdir(mode=0o755)
    for name in ("accounts.py", "contract.py"):
        shutil.copy(VM / name, path / "vm")
    yield path
    image.as_root_of_hosts(["sh", "-c", "rm -rf etc home secret owners once"], path)
    shutil.rmtree(path)


def freed(folder: Path, passwd: str, group: str) -> tuple[str, str, dict[str, str]]:
    """/etc/passwd and /etc/group after the preparation, and the owner of each file."""
    (folder / "passwd").write_text(passwd)
    (folder / "group").write_text(group)
    image.as_root_of_hosts(["sh", "-c", SCRIPT, "sh", FREE], folder)
    owners = dict(line.split() for line in (folder / "owners").read_text().splitlines())
    return (folder / "etc/passwd").read_text(), (folder / "etc/group").read_text(), owners


def test_the_box_s_account_yields_its_number_with_all_that_it_has(folder: Path) -> None:
    passwd, group, owners = freed(folder, PASSWD, GROUP)
    assert passwd == PASSWD.replace("1000:1000", "1101:1101").replace("x:1001:", "x:1102:")
    assert group == GROUP.replace("vagrant:x:1000", "vagrant:x:1101")
    mine = {"home/vagrant", "home/vagrant/.ssh", "home/vagrant/.ssh/authorized_keys", "home/vagrant/link"}
    assert owners == {**dict.fromkeys(mine, "1101:1101"), "home": "0:0", "secret": "0:0"}


def test_where_nobody_else_has_the_numbers_nothing_changes(folder: Path) -> None:
    passwd = PASSWD.replace("vagrant", "lisi").replace("x:1001:", "x:1002:")
    group = GROUP.replace("vagrant:x", "lisi:x")
    after = freed(folder, passwd, group)
    assert after[:2] == (passwd, group)
    assert after[2]["home/vagrant"] == "1000:1000"
