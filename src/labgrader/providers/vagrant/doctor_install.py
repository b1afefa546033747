"""The commands that install Vagrant and VirtualBox from their makers' archives, for apt and for dnf."""

from __future__ import annotations

import os
import platform

from labgrader.doctor_findings import has_dnf
from labgrader.doctor_host import Version, dotted


def vagrant() -> str:
    """The commands that install the newest Vagrant from its maker's archive."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if has_dnf():
        system = "fedora" if _system().get("ID") == "fedora" else "RHEL"
        place = f"https://rpm.releases.hashicorp.com/{system}/hashicorp.repo"
        return f"{sudo}curl -fsSo /etc/yum.repos.d/hashicorp.repo {place} && {sudo}dnf install vagrant"
    return _apt_archive(
        "hashicorp",
        "https://apt.releases.hashicorp.com/gpg",
        "https://apt.releases.hashicorp.com",
        "main",
        "vagrant",
    )


def virtualbox(series: Version) -> str:
    """The commands that install a series of VirtualBox from its maker's archive."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if has_dnf():
        system = "fedora" if _system().get("ID") == "fedora" else "el"
        place = f"https://download.virtualbox.org/virtualbox/rpm/{system}/virtualbox.repo"
        kernel = "kernel-devel-$(uname -r)"
        file = "/etc/yum.repos.d/virtualbox.repo"
        return f"{sudo}curl -fsSo {file} {place} && {sudo}dnf install {kernel} VirtualBox-{dotted(series)}"
    return _apt_archive(
        "virtualbox",
        "https://www.virtualbox.org/download/oracle_vbox_2016.asc",
        "https://download.virtualbox.org/virtualbox/debian",
        "contrib",
        f"linux-headers-$(uname -r) virtualbox-{dotted(series)}",
    )


def _apt_archive(name: str, key: str, archive: str, component: str, packages: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    ring, system = f"/usr/share/keyrings/{name}.gpg", _system()
    suite = system.get("UBUNTU_CODENAME") or system.get("VERSION_CODENAME") or "bookworm"
    return (
        f"wget -qO- {key} | {sudo}gpg --dearmor --yes -o {ring} && "
        f'echo "deb [arch=amd64 signed-by={ring}] {archive} {suite} {component}" | '
        f"{sudo}tee /etc/apt/sources.list.d/{name}.list && "
        f"{sudo}apt-get update && {sudo}apt-get install {packages}"
    )


def _system() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
