"""Which user and group ids a lab's hosts get on this machine (user_namespaces(7), subuid(5))."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labgrader.errors import LabError

COUNT = 65536
LAST_ID = 2**32 - 1
FILES = ("/etc/subuid", "/etc/subgid")
FIRST_FREE = 100000  # where login.defs(5) lets subordinate ids begin
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
    uids, gids = FILES
    return IdRange(_subordinate(uids), _subordinate(gids), direct=False)


def _subordinate(path: str) -> int:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    for who, first, count in _entries(path):
        if who not in (name, str(uid)):
            continue
        # Never root's own ids, nor past the last one: such a line grants nothing that could be used.
        if count >= COUNT and 0 < first <= LAST_ID - COUNT:
            return first
    free = _free([entry for file in {*FILES, path} for entry in _entries(file)])
    ids = f"{free}-{free + COUNT - 1}"
    raise LabError(
        f"{path} grants {name} no {COUNT} subordinate ids, which a lab's hosts need; "
        f"have an administrator run: sudo usermod --add-subuids {ids} --add-subgids {ids} {name}"
    )


def _entries(path: str) -> list[tuple[str, int, int]]:
    """Who is granted how many ids from which on; lines that are none are left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [entry for line in lines if (entry := ENTRY.fullmatch(line.strip()))]
    return [(entry["who"], int(entry["first"]), int(entry["count"])) for entry in found]


def _free(taken: Iterable[tuple[str, int, int]]) -> int:
    """The first of `COUNT` ids that nobody has: who shares them may stop and read what is another's."""
    free = FIRST_FREE
    for _who, first, count in sorted(taken, key=lambda entry: entry[1]):
        if first < free + COUNT and free < first + count:
            free = first + count
    return free
