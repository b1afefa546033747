"""The part of the doctor that looks at the machines' box: whether it is there, its age, its telnetd."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

from labgrader.doctor_findings import Finding, State
from labgrader.errors import LabError
from labgrader.providers.netns import apt_sources
from labgrader.providers.netns.doctor_image import OLD_DAYS, judged_telnetd
from labgrader.providers.vagrant import box, box_choice, box_packages
from labgrader.providers.vagrant.settings import Settings

BUILD, RENEW = "run: ./lab box build", "run: ./lab box build --renew"


def findings(chosen: Settings, boxes: Path) -> Iterator[Finding]:
    """All about the box that the settings name; `boxes` = Vagrant's folder of boxes."""
    if chosen.box != "built":
        yield fetched(chosen, boxes)
        return
    try:
        there = box.built()
        suite = apt_sources.suite()
    except LabError as error:
        yield Finding(State.LACKS, "box", error.message.rstrip("."))
        return
    if there is None:
        yield Finding(State.NOTE, "box", f"{chosen.box_name} is not made yet", BUILD, fix=_make)
        return
    made, known = there
    name = f"{box_choice.FAMILY}-{made.digest[:12]}"
    if has(boxes, name, "0", chosen.hypervisor):
        yield Finding(State.OK, "box", f"{name} for {chosen.hypervisor}")
    else:
        what = f"{name} for {chosen.hypervisor} is made, and the first lab gives it to Vagrant"
        yield Finding(State.NOTE, "box", what)
    yield from contents(known, suite, time.time())


def fetched(chosen: Settings, boxes: Path) -> Finding:
    """Whether Vagrant has the box of a catalogue."""
    wanted = f"{' '.join(filter(None, (chosen.box_name, chosen.box_version)))} for {chosen.hypervisor}"
    if has(boxes, chosen.box_name, chosen.box_version or "*", chosen.hypervisor):
        return Finding(State.OK, "box", wanted)
    what = f"{wanted} is not here yet; Vagrant fetches it from its catalogue for the first lab"
    return Finding(State.NOTE, "box", what, "where that cannot be reached: export LABGRADER_BOX=built")


def contents(known: box_packages.Contents, suite: str, now: float) -> Iterator[Finding]:
    """Whether the packages of a box that was built here are as new as they should be."""
    days = int((now - known.taken) / 86400)
    if days > OLD_DAYS:
        remedy = f"to have the security updates since, {RENEW}"
        yield Finding(State.NOTE, "age of the box", f"its packages are {days} days old", remedy, fix=_renew)
    else:
        said = f"its packages were taken {'today' if days <= 0 else f'{days} days ago'}"
        yield Finding(State.OK, "age of the box", said)
    found = judged_telnetd("telnetd in the box", known.packages.get(box_packages.TELNETD), suite)
    if found.state is not State.OK and found.remedy is None:
        found = dataclasses.replace(found, remedy=RENEW, fix=_renew)
    yield found


def has(boxes: Path, name: str, version: str, hypervisor: str) -> bool:
    """Whether Vagrant has the box; since 2.4 a folder for the architecture may lie between."""
    folder = f"{name.replace('/', box_choice.SLASH)}/{version}"
    return any(
        path.is_file()
        for between in ("", "*/")
        for path in boxes.glob(f"{folder}/{between}{hypervisor}/metadata.json")
    )


def _make() -> str:
    from labgrader.providers.vagrant import VagrantProvider

    VagrantProvider().prepare()
    return "Made the box and gave it to Vagrant."


def _renew() -> str:
    box.build(renew=True)
    return "Made the box anew; the next lab gives it to Vagrant and makes machines of it."
