"""The few Linux calls that Python 3.11 does not offer, through libc (stdlib only).

Facts: unshare(2), mount(2), umount2(2), pivot_root(2), prctl(2), user_namespaces(7).
All functions raise OSError with the call and its arguments in the message.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
# pivot_root(2) has no libc wrapper; its number is the same for no two families of machines.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` (CLONE_NEW*) for new ones of this process's own."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` of file system `kind` on `target` with mount(2) flags and option string."""
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None),
        f"mount({source} on {target}, {kind or 'bind'}, {options})",
    )


def detach(target: str) -> None:
    """Unmount `target` lazily (umount2 with MNT_DETACH)."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount2({target})")


def pivot_root(new_root: str) -> None:
    """Make `new_root`, a mount point, the root of this mount namespace and drop the old one."""
    os.chdir(new_root)
    number = _PIVOT_ROOT[os.uname().machine]
    # pivot_root(".", ".") stacks the old root on the new one, so that no directory is needed for it.
    _check(_libc.syscall(number, b".", b"."), f"pivot_root({new_root})")
    detach(".")
    os.chdir("/")


def die_with_parent(signal_number: int = 9) -> None:
    """Have the kernel send this process a signal when its parent dies (cleared by set-uid changes)."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def stay_dumpable() -> None:
    """Let our own processes write this one's /proc files after a change of credentials (proc(5))."""
    _check(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
