"""Which packages a built box has, in a file beside it: only so can an old one be seen without booting it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labgrader.providers.vagrant import box_kernel

NAME = "packages.json"
TELNETD = "inetutils-telnetd"


@dataclass(frozen=True)
class Contents:
    """Name and version of each package; `taken` = when they came from the archive, in seconds since 1970."""

    taken: float
    packages: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Of the versions alone: the same packages taken on another day are the same."""
        return hashlib.sha256(json.dumps(dict(self.packages), sort_keys=True).encode()).hexdigest()


def contents(rootfs: Path, boot: box_kernel.Packages) -> Contents:
    """What the root file system in the folder `rootfs` has installed, and what the box boots with."""
    status = rootfs / "var/lib/dpkg/status"
    text = status.read_text(encoding="utf-8", errors="replace")
    found = dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", text, re.MULTILINE))
    found |= {boot.kernel: boot.kernel_version, box_kernel.BUSYBOX_PACKAGE: boot.busybox_version}
    return Contents(status.stat().st_mtime, found)


def write(folder: Path, known: Contents) -> None:
    """Put the file into a folder of boxes."""
    text = json.dumps({"taken": known.taken, "packages": dict(known.packages)}, indent=1, sort_keys=True)
    (folder / NAME).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> Contents | None:
    """What the file in a folder of boxes says; None where there is none that can be read."""
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Contents(
            float(said["taken"]), {str(key): str(value) for key, value in said["packages"].items()}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
