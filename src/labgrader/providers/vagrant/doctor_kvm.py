"""Whether KVM and VirtualBox get on with each other. Judgements are functions of texts and numbers.

Linux 6.12 takes VT-x/AMD-V when kvm is loaded (VirtualBox's changelog of 7.1.4, its issues 141 and 188). On
Linux 6.16 and newer VirtualBox 7.2.6 asks KVM for it (issue 81: works on 6.17, not on 6.14), and since 7.2.10
it cannot do without (issues 711 and 713). 7.2.14 on 6.12 still wants KVM's hands off (void-packages' pull
request 61332, where 7.2.10 is also said to panic Linux 7.0 and 7.1). Read there; not tried on a VirtualBox.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labgrader import doctor_host as host
from labgrader.doctor_findings import Finding, State, has_dnf
from labgrader.doctor_host import Version

TAKES_AT_LOAD = (6, 12)
CAN_SHARE = (6, 16)
ASKS_KVM = (7, 2, 6)
NEEDS_KVM = (7, 2, 10)
PANICS = (7, 2, 10)
MODPROBE = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
AT_LOAD = re.compile(r"\bkvm[ \t.](?:.*[ \t])?enable_virt_at_load=(?:0|[nN]|off)(?!\S)")


@dataclass(frozen=True)
class Kvm:
    """What the kernel has of KVM: the vendor's module, whether it can be unloaded, and its users."""

    vendor: str | None = None  # kvm_intel, kvm_amd
    removable: bool = True
    users: int = 0
    at_load: bool | None = None  # enable_virt_at_load; None = this kernel has no such parameter


def finding(virtualbox: Version) -> Finding:
    """Whether this machine's KVM leaves the virtualization to the VirtualBox of that version."""
    files = {path.resolve(): path for folder in MODPROBE for path in sorted(Path(folder).glob("*.conf"))}
    texts = {str(path): host.read(path) for path in files.values()}
    return conflict(platform.release(), virtualbox, present(), setters(texts, host.read("/proc/cmdline")))


def conflict(release: str, virtualbox: Version, kvm: Kvm, setters: Sequence[str] = ()) -> Finding:
    """Whether KVM leaves VT-x or AMD-V to this VirtualBox; `setters` = what forbids KVM to."""
    name, kernel, said = (
        "KVM beside VirtualBox",
        host.kernel_version(release),
        f"VirtualBox {host.dotted(virtualbox)}",
    )
    if kvm.vendor is None:
        return Finding(State.OK, name, "no KVM module holds the processor's virtualization")
    if kvm.users:
        held = f"{kvm.vendor} is in use, so that no VirtualBox machine starts beside it"
        return Finding(
            State.LACKS, name, held, "end the KVM machines; to see them, run: virsh -c qemu:///system list"
        )
    if kernel < TAKES_AT_LOAD or kvm.at_load is None:
        return Finding(
            State.OK, name, f"Linux {release} takes the virtualization only while a KVM machine runs"
        )
    shares = kernel >= CAN_SHARE
    if not kvm.at_load:
        if shares and virtualbox >= NEEDS_KVM:
            what = f"{said} lets KVM switch the virtualization on, which kvm.enable_virt_at_load=0 forbids it"
            return Finding(State.LACKS, name, what, _switch_on(kvm, setters))
        return Finding(State.OK, name, "kvm.enable_virt_at_load=0 leaves the virtualization to VirtualBox")
    if shares and virtualbox == PANICS and kernel >= (7, 0):
        what = f"{said} is said to panic Linux 7.0 and 7.1"
        return Finding(State.NOTE, name, what, "install 7.2.14 or newer, or unload KVM: " + _unload(kvm))
    if shares and virtualbox >= NEEDS_KVM:
        return Finding(State.OK, name, f"{said} and KVM share the virtualization on Linux {release}")
    if shares and virtualbox >= ASKS_KVM:
        what = f"{said} asks KVM for the virtualization on Linux {release}, which has failed for some"
        return Finding(
            State.NOTE, name, what, "if a machine does not start (VERR_SVM_IN_USE), run: " + _unload(kvm)
        )
    what = f"{kvm.vendor} took the virtualization when it was loaded, so that {said} starts no machine"
    return Finding(State.LACKS, name, what, _switch_off(kvm))


def setters(files: Mapping[str, str], cmdline: str) -> list[str]:
    """Which of the files of modprobe.d(5), or the kernel's command line, set kvm.enable_virt_at_load to 0."""
    found = [
        path
        for path, text in files.items()
        if any(AT_LOAD.search(line) for line in text.splitlines() if line.split()[:1] == ["options"])
    ]
    return found + (["the kernel's command line"] if AT_LOAD.search(cmdline) else [])


def present() -> Kvm:
    """What this machine's kernel has of KVM."""
    users = host.module_users(host.read("/proc/modules"))
    vendor = next((name for name in ("kvm_intel", "kvm_amd") if os.path.isdir(f"/sys/module/{name}")), None)
    at_load = host.read("/sys/module/kvm/parameters/enable_virt_at_load").strip()
    return Kvm(
        vendor, vendor in users, users.get(vendor or "", 0), at_load in ("Y", "1") if at_load else None
    )


def _unload(kvm: Kvm) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}modprobe -r {kvm.vendor} kvm"


def _switch_off(kvm: Kvm) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    if not kvm.removable:
        if has_dnf():
            return f"run: {sudo}grubby --update-kernel=ALL --args=kvm.enable_virt_at_load=0, and boot anew"
        return "add kvm.enable_virt_at_load=0 to GRUB_CMDLINE_LINUX in /etc/default/grub, " + _grub(sudo)
    file = "/etc/modprobe.d/kvm-leaves-virtualization.conf"
    return f"run: {_unload(kvm)}; for ever: echo 'options kvm enable_virt_at_load=0' | {sudo}tee {file}"


def _switch_on(kvm: Kvm, setters: Sequence[str]) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    place = " and ".join(setters) or "where it is set"
    if "the kernel's command line" in setters or not kvm.removable:
        if has_dnf():
            argument = "--remove-args=kvm.enable_virt_at_load=0"
            return f"run: {sudo}grubby --update-kernel=ALL {argument}, and boot anew"
        return f"take it out of {place} (/etc/default/grub), " + _grub(sudo)
    return f"take it out of {place}, then run: {_unload(kvm)} && {sudo}modprobe {kvm.vendor}"


def _grub(sudo: str) -> str:
    return f"run: {sudo}update-grub, and boot anew"
