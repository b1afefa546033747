"""Which user and group ids a lab's hosts get on this machine (user_namespaces(7), subuid(5))."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

from labgrader.errors import LabError

COUNT = 65536
LAST_ID = 2**32 - 1
ENTRY = re.compile(r"(?P<who>[^:]+):(?P<first>[0-9]{1,10}):(?P<count>[0-9]{1,10})")
# Root needs no entry in /etc/subuid and takes a range that systemd's UIDS-GIDS document lists as unused.
ROOT_BASE = 1879048192


@dataclass(frozen=True)
class IdRange:
    """The first outer uid and gid of the hosts' 65536 ids; `direct` = written by us, else by newuidmap."""

    uid_base: int
    gid_base: int
    direct: bool


def id_range() -> IdRange:
    """The ids for this user. Raises LabError with the command that grants some, where there are none."""
    if os.geteuid() == 0:
        return IdRange(ROOT_BASE, ROOT_BASE, direct=True)
    return IdRange(_subordinate("/etc/subuid"), _subordinate("/etc/subgid"), direct=False)


def _subordinate(path: str) -> int:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        entry = ENTRY.fullmatch(line.strip())
        if entry is None or entry["who"] not in (name, str(uid)):
            continue
        first, count = int(entry["first"]), int(entry["count"])
        # Never root's own ids, nor past the last one: such a line grants nothing that could be used.
        if count >= COUNT and 0 < first <= LAST_ID - COUNT:
            return first
    raise LabError(
        f"{path} grants {name} no {COUNT} subordinate ids, which a lab's hosts need; "
        "have an administrator run: "
        f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
    )
