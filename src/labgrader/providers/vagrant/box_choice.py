"""The box that the settings name: from a catalogue, fetched by Vagrant itself, or built here and added."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path

from labgrader.providers.vagrant import box, cli
from labgrader.providers.vagrant.project import TOP, say
from labgrader.providers.vagrant.settings import Settings

ADD_S = 600.0
FAMILY = "labgrader/debian12"
# How Vagrant writes the / of a name in a folder's name (lib/vagrant/box_collection.rb).
SLASH = "-VAGRANTSLASH-"


def ensure(settings: Settings) -> Settings:
    """The settings with the box's full name; a box that is built here is built and added if it is missing."""
    if settings.box != "built":
        return settings
    built = box.build()
    name = f"{FAMILY}-{built.digest[:12]}"
    chosen = dataclasses.replace(settings, box_name=name)
    if not added(name, settings.hypervisor):
        path = {"libvirt": built.libvirt, "virtualbox": built.virtualbox}[settings.hypervisor]
        say(f"Adding the box {name} to Vagrant (once)…")
        cli.run(
            ["box", "add", "--force", "--name", name, "--provider", settings.hypervisor, str(path)],
            folder=TOP,
            environment={"VAGRANT_CWD": "/", "VAGRANT_CHECKPOINT_DISABLE": "1"},
            deadline_s=ADD_S,
            log=built.libvirt.with_name("vagrant.log"),
            tell=say,
        )
    return chosen


def masters() -> list[str]:
    """The UUIDs of the VirtualBox machines that clones of the boxes built here are linked to."""
    found = []
    for path in _folder().glob(f"{FAMILY.replace('/', SLASH)}-*/0/virtualbox/master_id"):
        with contextlib.suppress(OSError):
            found.append(path.read_text().strip())
    return found


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


def added(name: str, hypervisor: str) -> bool:
    """Whether Vagrant has the box already; seen in its folder, because asking it takes more than a second."""
    return (_folder() / name.replace("/", SLASH) / "0" / hypervisor / "metadata.json").is_file()
