"""The box that the settings name: from a catalogue, fetched by Vagrant itself, or built here and added."""

from __future__ import annotations

import dataclasses
import os
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


def added(name: str, hypervisor: str) -> bool:
    """Whether Vagrant has the box already; seen in its folder, because asking it takes more than a second."""
    home = os.environ.get("VAGRANT_HOME") or os.path.expanduser("~/.vagrant.d")
    return (Path(home) / "boxes" / name.replace("/", SLASH) / "0" / hypervisor / "metadata.json").is_file()
