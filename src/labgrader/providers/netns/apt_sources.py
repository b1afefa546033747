"""The machine's own apt sources and settings, as mmdebstrap needs them (sources.list(5), apt.conf(5)).

Only the distribution's own archives are taken: an entry for the machine's release with component main.
"""

from __future__ import annotations

import platform
import re
import subprocess
from functools import cache
from pathlib import Path

from labgrader.errors import LabError

PARTS = ("", "-updates", "-security", "/updates")
SETTINGS = re.compile(
    r"^Acquire::(?:https?::Proxy|https?::Verify|Check-Valid-Until|Check-Date|Retries)\b.*;$"
)


@cache
def suite() -> str:
    """The code name of this machine's release, such as bookworm or noble."""
    try:
        release = platform.freedesktop_os_release()
    except OSError as error:
        raise LabError(
            "The hosts' image is made of Debian packages, and this machine does not say what it runs."
        ) from error
    name = release.get("VERSION_CODENAME", "")
    if not name or not {release.get("ID"), *release.get("ID_LIKE", "").split()} & {"debian", "ubuntu"}:
        raise LabError(
            "The hosts' image is made of Debian packages; "
            f"{release.get('PRETTY_NAME', 'this system')} has none."
        )
    return name


def text() -> str:
    """The fitting entries of /etc/apt in their own two formats, deb822 turned into lines."""
    lines: list[str] = []
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        try:
            content = path.read_text(errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            lines += [line.strip() for line in content.splitlines() if _fits(line)]
        elif path.suffix == ".sources":
            lines += _from_deb822(content)
    if not lines:
        raise LabError(
            f"/etc/apt names no archive of {suite()} with component main, so no image can be made."
        )
    return "\n".join(lines) + "\n"


def options() -> list[str]:
    """The settings of apt's that decide whether an archive can be reached: proxies and date checks."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True)
    return [line.strip() for line in done.stdout.splitlines() if SETTINGS.match(line.strip())]


def _fits(line: str) -> bool:
    words = re.sub(r"\[[^\]]*\]", "", line).split("#")[0].split()
    if len(words) < 4 or words[0] != "deb":
        return False
    return words[2] in [suite() + part for part in PARTS] and "main" in words[3:]


def _from_deb822(content: str) -> list[str]:
    lines = []
    for stanza in re.split(r"\n\s*\n", content):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed = fields.get("signed-by", "")
        setting = f"[signed-by={signed}] " if signed.startswith("/") else ""
        for uri in fields.get("uris", "").split():
            for part in fields.get("suites", "").split():
                line = f"deb {setting}{uri} {part} {fields.get('components', '')}"
                if _fits(line):
                    lines.append(line)
    return lines
