"""The part of the doctor that looks at the hosts' image: whether it is there, its age, its telnetd."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

from labgrader.doctor_findings import Finding, State
from labgrader.errors import LabError
from labgrader.providers.netns import apt_sources, image, renewal

OLD_DAYS = 30
# Debian's changelog calls this version the complete fix of CVE-2026-24061 (a login as root without password).
TELNETD_FIXED = {"bookworm": "2:2.4-2+deb12u3"}
# The last one that has the hole, where no such word on the complete fix is known: Ubuntu's from its security
# notices (UBUNTU-CVE-2026-24061.json); Debian's trixie was released with the version named.
TELNETD_OPEN = {
    "jammy": "2:2.2-2ubuntu0.1",
    "noble": "2:2.5-3ubuntu4",
    "questing": "2:2.6-1ubuntu3",
    "trixie": "2:2.6-3",
}


def image_there() -> bool:
    try:
        return (image.image_path() / "rootfs").is_dir()
    except (LabError, OSError):
        return False


def image_findings(there: bool) -> Iterator[Finding]:
    if not there:
        remedy = "./lab check makes it in about half a minute, and ./lab doctor --fix makes it now"
        yield Finding(State.NOTE, "image", "not made yet", remedy, fix=_make_image)
        return
    status = image.image_path() / "rootfs" / "var" / "lib" / "dpkg" / "status"
    days = int((time.time() - status.stat().st_mtime) / 86400)
    remedy = "to have the security updates since, run: ./lab doctor --fix"
    if days > OLD_DAYS:
        yield Finding(State.NOTE, "image", f"{days} days old", remedy, fix=_renew_image)
    else:
        yield Finding(State.OK, "image", f"made {'today' if days == 0 else f'{days} days ago'}")
    yield telnetd(status.read_text(encoding="utf-8", errors="replace"), apt_sources.suite())


def telnetd(status: str, suite: str) -> Finding:
    """What dpkg's `status` of the image says of telnetd."""
    found = re.search(r"^Package: inetutils-telnetd\n(?:.+\n)*?Version: (\S+)", status, re.MULTILINE)
    said = judged_telnetd("telnetd in the image", found[1] if found else None, suite)
    if said.state is State.OK or said.remedy is not None:
        return said
    return replace(said, remedy="run: ./lab doctor --fix", fix=_renew_image)


def judged_telnetd(name: str, version: str | None, suite: str) -> Finding:
    """Whether a telnetd of that version has CVE-2026-24061; what mends it is for the caller to say."""
    if version is None:
        return Finding(State.NOTE, name, "its version is unknown")
    fixed, last = TELNETD_FIXED.get(suite), TELNETD_OPEN.get(suite)
    if fixed is not None and _compared(version, "lt", fixed):
        said = f"{version} is older than {fixed}, so a student may log in as root (CVE-2026-24061)"
    elif last is not None and _compared(version, "le", last):
        said = f"{version} is not newer than {last}, so a student may log in as root (CVE-2026-24061)"
    elif fixed is None and last is None:
        said = f"{version}; whether CVE-2026-24061 is fixed in it is not known here for {suite}"
        return Finding(State.NOTE, name, said, "see the distribution's security tracker")
    else:
        how = "fixed" if fixed is not None else "fixed as it was first published"
        return Finding(State.OK, name, f"{version}, with CVE-2026-24061 {how}")
    return Finding(State.NOTE, name, said)


def _compared(version: str, relation: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", version, relation, other]).returncode == 0


def _make_image() -> str:
    image.ensure()
    return "Made the hosts' image."


def _renew_image() -> str:
    if renewal.renew():
        return "Made the hosts' image anew; the old one stays for a month, because a lab is using it."
    return "Made the hosts' image anew."
