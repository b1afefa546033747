"""Why this kernel does not let us make namespaces, and the command that changes its mind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SYSCTL = Path("/proc/sys")
COUNTS = {
    "user": "user.max_user_namespaces",
    "nested user": "user.max_user_namespaces",
    "mount": "user.max_mnt_namespaces",
    "network": "user.max_net_namespaces",
    "pid": "user.max_pid_namespaces",
    "ipc": "user.max_ipc_namespaces",
    "uts": "user.max_uts_namespaces",
    "cgroup": "user.max_cgroup_namespaces",
}
ENOUGH = 15000
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"


def why_no_namespaces(step: str) -> str:
    """What mends the failure of `step`: a name as in `COUNTS`, "ids", or what was to be mounted."""
    name = COUNTS.get(step)
    if name is not None and _setting(name) == "0":
        return _set(name, str(ENOUGH))
    if os.geteuid() != 0:
        if _setting("kernel.unprivileged_userns_clone") == "0":
            return _set("kernel.unprivileged_userns_clone", "1")
        if _setting(APPARMOR) not in (None, "0"):
            return _allow_by_apparmor(os.path.realpath(sys.executable))
    if container := _container():
        return (
            f"this is a container ({container}) that forbids it; start it with "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined, or use a virtual machine"
        )
    if name is not None and not Path(f"/proc/self/ns/{_file_of(step)}").exists():
        return f"this kernel was built without {step} namespaces; boot the distribution's own"
    return "the kernel's log may say more: run: sudo dmesg | tail"


def _set(name: str, value: str) -> str:
    file = "/etc/sysctl.d/60-labgrader.conf"
    return f"run: echo '{name} = {value}' | {_root()}tee {file} && {_root()}sysctl --system"


def _allow_by_apparmor(python: str) -> str:
    """The remedy for Ubuntu's restriction: a profile for the interpreter that runs us, and nothing else."""
    lines = [
        "abi <abi/4.0>,",
        "include <tunables/global>",
        f'profile labgrader "{python}" flags=(unconfined) {{',
        "  userns,",
        "}",
    ]
    words = " ".join(f"'{line}'" for line in lines)
    return (
        f"AppArmor keeps user namespaces from programs without a profile ({APPARMOR}); "
        "to give this Python one, run: "
        f"printf '%s\\n' {words} | {_root()}tee /etc/apparmor.d/labgrader "
        f"&& {_root()}apparmor_parser -r /etc/apparmor.d/labgrader"
    )


def _root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def _setting(name: str) -> str | None:
    try:
        return (SYSCTL / name.replace(".", "/")).read_text().strip()
    except OSError:
        return None


def _container() -> str | None:
    """What kind of container this is, as far as it says so."""
    for path, kind in (("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")):
        if os.path.exists(path):
            return kind
    try:
        return Path("/run/systemd/container").read_text().strip() or None
    except OSError:
        pass
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return "a seccomp filter is set" if "\nSeccomp:\t2" in status else None


def _file_of(step: str) -> str:
    return {"nested user": "user", "mount": "mnt", "network": "net"}.get(step, step)
