"""What a reporter gives back, and the names of files that hold one student each. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LONGEST_NAME_BYTES = 100
# Names that Windows keeps for devices, whatever their suffix.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Written:
    """Files by their path below the run's folder, and what the instructor must be told of them."""

    files: Mapping[str, bytes]
    told: tuple[str, ...] = ()


def file_names(students: Iterable[str]) -> list[str]:
    """A file name without suffix for each student, in their order: safe on any system, and no two alike.

    Two names are alike if a file system may take them for the same: by case or by the form of an accent.

    >>> file_names(["alice", "../Alice", "张三"])
    ['alice', '_Alice-2', '张三']
    """
    used: set[str] = set()
    found = []
    for student in students:
        plain = _safe(student)
        name, number = plain, 1
        while unicodedata.normalize("NFKC", name).casefold() in used:
            number += 1
            name = f"{plain}-{number}"
        used.add(unicodedata.normalize("NFKC", name).casefold())
        found.append(name)
    return found


def _safe(student: str) -> str:
    kept = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", student)).lstrip(".-").rstrip(".")
    kept = kept.encode("utf-8", "replace")[:LONGEST_NAME_BYTES].decode("utf-8", "ignore")
    return f"_{kept}" if not kept or kept.partition(".")[0].casefold() in _DEVICES else kept
