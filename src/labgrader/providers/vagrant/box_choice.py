"""The box that the settings name: from a catalogue, fetched by Vagrant itself, or built here and added."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from labgrader.providers.vagrant import box, cli, slots
from labgrader.providers.vagrant.project import TOP, say
from labgrader.providers.vagrant.settings import Settings

ADD_S = 3600.0  # from a catalogue it may be a gigabyte
FAMILY = "labgrader/debian12"
# How Vagrant writes the / of a name in a folder's name (lib/vagrant/box_collection.rb).
SLASH = "-VAGRANTSLASH-"


def ensure(settings: Settings) -> Settings:
    """The settings with the box's full name, once Vagrant has the box: built here, or from its catalogue.

    Before any machine is made: two machines that are made at once would both fetch it.
    """
    if settings.box != "built":
        if not added(settings.box_name, settings.hypervisor, settings.box_version or "0"):
            say(f"Fetching the box {settings.box_name} {settings.box_version or ''} (once)…")
            version = ["--box-version", settings.box_version] if settings.box_version else []
            _add([*version, settings.box_name], settings.hypervisor, slots.root().parent)
        return settings
    built = box.build()
    name = f"{FAMILY}-{built.digest[:12]}"
    if not added(name, settings.hypervisor):
        path = {"libvirt": built.libvirt, "virtualbox": built.virtualbox}[settings.hypervisor]
        say(f"Adding the box {name} to Vagrant (once)…")
        _add(["--name", name, str(path)], settings.hypervisor, built.libvirt.parent)
    return dataclasses.replace(settings, box_name=name)


def _add(words: list[str], hypervisor: str, log_folder: Path) -> None:
    cli.run(
        ["box", "add", "--force", "--provider", hypervisor, *words],
        folder=TOP,
        environment={"VAGRANT_CWD": "/"},
        deadline_s=ADD_S,
        log=log_folder / "vagrant-box.log",
        tell=say,
    )


def masters(name: str = f"{FAMILY}-*") -> list[str]:
    """The UUIDs of VirtualBox's machines that clones are linked to: of the boxes built here, or of `name`."""
    return [text.strip() for text in _texts(name, "master_id")]


def own_names(name: str) -> list[str]:
    """What VirtualBox calls a machine that it imports from the box, whatever its version: its OVF says so."""
    found = {
        match[1]
        for text in _texts(name, "box.ovf")
        for match in [re.search(r'<VirtualSystem\s[^>]*?\bid="([^"]+)"', text)]
        if match
    }
    return sorted(found)


def _texts(name: str, file: str) -> Iterator[str]:
    for path in _places(name, "*", "virtualbox", file):
        with contextlib.suppress(OSError):
            yield path.read_text(encoding="utf-8", errors="replace")


def forget_built() -> list[str]:
    """Take the boxes that were built here from Vagrant again; a line for each. Those that are cached stay."""
    removed = []
    for path in sorted(_folder().glob(f"{FAMILY.replace('/', SLASH)}-*")):
        shutil.rmtree(path, ignore_errors=True)
        removed.append(f"box {path.name.replace(SLASH, '/')}")
    return removed


def _folder() -> Path:
    home = os.environ.get("VAGRANT_HOME") or os.path.expanduser("~/.vagrant.d")
    return Path(home) / "boxes"


def added(name: str, hypervisor: str, version: str = "0") -> bool:
    """Whether Vagrant has the box already; seen in its folder, because asking it takes more than a second."""
    return any(path.is_file() for path in _places(name, version, hypervisor, "metadata.json"))


def _places(name: str, version: str, hypervisor: str, file: str) -> Iterator[Path]:
    """Where a file of the box would be; since Vagrant 2.4 a folder for the architecture lies between."""
    folder = f"{name.replace('/', SLASH)}/{version}"
    for between in ("", "*/"):
        yield from _folder().glob(f"{folder}/{between}{hypervisor}/{file}")
