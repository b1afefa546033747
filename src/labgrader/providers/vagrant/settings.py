"""Which Vagrant provider and which box: what the environment says, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from labgrader.errors import UsageError

HYPERVISORS = ("virtualbox", "libvirt")
BOXES = Path(__file__).with_name("boxes.yaml")


@dataclass(frozen=True)
class Settings:
    """`hypervisor`: Vagrant's word for its provider; `box`: a key of boxes.yaml; the rest as Vagrant says."""

    hypervisor: str = "virtualbox"
    box: str = "el8"
    box_name: str = "almalinux/8"
    box_version: str | None = None
    driver: str = "kvm"
    boot_timeout_s: int = 300

    @property
    def key(self) -> str:
        """What machines that were made with other settings differ in."""
        return f"{self.hypervisor} {self.box_name} {self.box_version} {self.driver}"


def kvm_is_usable() -> bool:
    """Whether machines can run on the processor itself: without its flags /dev/kvm boots nothing."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        return False
    words = flags[1].split() if flags else []
    return ("vmx" in words or "svm" in words) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """What VAGRANT_DEFAULT_PROVIDER, LABGRADER_BOX and the like ask for; UsageError for a wrong one."""
    hypervisor = environment.get("VAGRANT_DEFAULT_PROVIDER") or "virtualbox"
    if hypervisor not in HYPERVISORS:
        raise UsageError(
            f"VAGRANT_DEFAULT_PROVIDER={hypervisor}: the labs' Vagrantfile knows {' and '.join(HYPERVISORS)}."
        )
    boxes = yaml.safe_load(BOXES.read_text(encoding="utf-8"))
    box = environment.get("LABGRADER_BOX") or "el8"
    if box not in boxes:
        raise UsageError(f"LABGRADER_BOX={box}: there are {', '.join(boxes)}.")
    driver = environment.get("LABGRADER_LIBVIRT_DRIVER") or ("kvm" if kvm_is_usable() else "qemu")
    if driver not in ("kvm", "qemu"):
        raise UsageError(
            f"LABGRADER_LIBVIRT_DRIVER={driver}: it is kvm, or qemu where /dev/kvm is of no use."
        )
    timeout = environment.get("LABGRADER_BOOT_TIMEOUT") or "300"
    if not timeout.isdigit() or not 10 <= int(timeout) <= 3600:
        raise UsageError(f"LABGRADER_BOOT_TIMEOUT={timeout}: it is a number of seconds from 10 to 3600.")
    return Settings(
        hypervisor,
        box,
        boxes[box]["name"],
        boxes[box].get("version"),
        driver if hypervisor == "libvirt" else "",
        int(timeout),
    )
