"""The machine's own apt sources and settings, as mmdebstrap needs them (sources.list(5), apt.conf(5)).

Only the distribution's own archives are taken: an entry for the machine's release with component main.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from labgrader.errors import LabError

# A CD is not in its drive for ever, and a personal archive is not the distribution's.
FOREIGN = re.compile(r"^cdrom:|://ppa\.launchpad")
OWN_KEYRING = re.compile(r"/(debian|ubuntu)-archive-[^/]*\Z")
KEPT = ("signed-by", "trusted", "check-valid-until", "check-date")
FALSE = ("no", "false", "without", "off", "disable", "0")
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
    return code_name(release)


def code_name(release: Mapping[str, str]) -> str:
    """The code name of the Debian or Ubuntu release that os-release(5) tells of; LabError for others."""
    own = "VERSION_CODENAME"
    # What is derived from Ubuntu or Debian has a name of its own, and says whose archive it builds on.
    order = (
        [own] if release.get("ID") in ("debian", "ubuntu") else ["UBUNTU_CODENAME", "DEBIAN_CODENAME", own]
    )
    name = next((release[key] for key in order if release.get(key)), "")
    if not name or not {release.get("ID"), *release.get("ID_LIKE", "").split()} & {"debian", "ubuntu"}:
        raise LabError(
            "The hosts' image is made of Debian packages; "
            f"{release.get('PRETTY_NAME', 'this system')} has none."
        )
    return name


def text(folder: Path = Path("/etc/apt"), release: str | None = None) -> str:
    """The entries for `release` (this machine's) under `folder`, one a line; deb822 is turned into lines."""
    release = release or suite()
    lines: list[str] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        try:
            content = path.read_text(errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            lines += [line.strip() for line in content.splitlines() if _fits(line, release)]
        elif path.suffix == ".sources":
            lines += [line for line in _from_deb822(content) if _fits(line, release)]
    if not lines:
        raise LabError(
            f"{folder} names no archive of {release} with component main, so no image can be made."
        )
    return "\n".join(lines) + "\n"


def options() -> list[str]:
    """The settings of apt's that decide whether an archive can be reached: proxies and date checks."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True)
    return [line.strip() for line in done.stdout.splitlines() if SETTINGS.match(line.strip())]


def _fits(line: str, release: str) -> bool:
    """Whether a one-line entry is the distribution's own archive of `release` with component main."""
    options = " ".join(re.findall(r"\[([^\]]*)\]", line))
    words = re.sub(r"\[[^\]]*\]", "", line).split("#")[0].split()
    if len(words) < 4 or words[0] != "deb" or FOREIGN.search(words[1]):
        return False
    keys = re.findall(r"signed-by=(\S+)", options)
    if any("/" in key and not OWN_KEYRING.search(key) for word in keys for key in word.split(",")):
        return False
    return words[2] in [release + part for part in PARTS] and "main" in words[3:]


def _from_deb822(content: str) -> list[str]:
    lines = []
    for stanza in re.split(r"\n\s*\n", content):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in FALSE:
            continue
        if fields.get("signed-by", "").startswith("-----BEGIN"):
            continue  # a key of its own inside the entry is somebody else's archive
        options = [f"{name}={','.join(fields[name].split())}" for name in KEPT if fields.get(name)]
        setting = f"[{' '.join(options)}] " if options else ""
        for uri in fields.get("uris", "").split():
            for part in fields.get("suites", "").split():
                lines.append(f"deb {setting}{uri} {part} {fields.get('components', '')}")
    return lines


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = (fields.get(name, "") + " " + line.strip()).strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields
