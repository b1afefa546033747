"""The seccomp filter, run instruction by instruction for both families of machines, and its numbers."""

from __future__ import annotations

import ctypes
import errno
import sys
from pathlib import Path

import pytest

from tests.security.bpf import answer

sys.path.append(str(Path(__file__).resolve().parents[2] / "src" / "labgrader" / "guest" / "lib"))

import seccomp  # type: ignore[import-not-found]
import seccomp_calls as calls  # type: ignore[import-not-found]

MACHINES = ("x86_64", "aarch64")
ALLOW = 0x7FFF0000
AF_PACKET, AF_ALG, AF_VSOCK, AF_KEY, AF_TIPC = 17, 38, 40, 15, 30
# Calls that programs in Python make all the time, threads, processes, sockets and files among them.
EVERYDAY = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "rt_sigaction": (13, 134),
    "connect": (42, 203),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "setsockopt": (54, 208),
    "execve": (59, 221),
    "wait4": (61, 260),
    "kill": (62, 129),
    "futex": (202, 98),
    "epoll_pwait": (281, 22),
    "pipe2": (293, 59),
    "openat": (257, 56),
    "getrandom": (318, 278),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "pidfd_open": (434, 434),
    "close_range": (436, 436),
    "faccessat2": (439, 439),
    "futex_waitv": (449, 449),
    "semget": (64, 190),
    "shmget": (29, 194),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "sendfile": (40, 71),
    "sched_setaffinity": (203, 122),
}


def told(machine: str, number: int, *arguments: int) -> int | None:
    """The errno that a call gets, or None where it is allowed."""
    returned = answer(seccomp.instructions(machine), calls.AUDIT_ARCH[machine], number, arguments)
    if returned == ALLOW:
        return None
    assert returned & 0xFFFF0000 == 0x00050000, "refused with an error, never killed"
    return returned & 0xFFFF


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_tables_is_refused(machine: str) -> None:
    column = MACHINES.index(machine)
    for table, error in ((calls.ABSENT, errno.ENOSYS), (calls.FORBIDDEN, errno.EPERM)):
        for name, both in table.items():
            if both[column] is not None:
                assert told(machine, both[column]) == error, name


@pytest.mark.parametrize("machine", MACHINES)
def test_only_calls_of_the_tables_are_refused(machine: str) -> None:
    refused = {number for number in range(calls.LAST_KNOWN + 1) if told(machine, number, 1, 1) is not None}
    known = {number for number, _error in calls.numbers(machine)}
    # personality(1) is no personality of ours; socket(AF_UNIX) and the others are allowed.
    assert refused == known | {calls.number("personality", machine)}
    assert [name for name, both in EVERYDAY.items() if both[MACHINES.index(machine)] in refused] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_later_kernels_and_of_other_machines_do_not_exist(machine: str) -> None:
    for number in (calls.LAST_KNOWN + 1, 500, 0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
        assert told(machine, number) == errno.ENOSYS
    program = seccomp.instructions(machine)
    i386, arm, other = 0x40000003, 0x40000028, calls.AUDIT_ARCH[MACHINES[1 - MACHINES.index(machine)]]
    for architecture in (i386, arm, other, 0):
        assert answer(program, architecture, 0) == 0x00050000 | errno.ENOSYS


def test_the_x32_numbers_of_x86_do_not_exist() -> None:
    for number in (0x40000000, 0x40000000 + 41, 0x40000000 + 512):
        assert told("x86_64", number) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_sockets_are_those_of_the_lab(machine: str, call: str) -> None:
    number = calls.number(call, machine)
    cloexec = 0o2000000
    for arguments in (
        (1, 1, 0), (1, 5, 0), (1, 2, 1), (2, 1, 0), (2, 1 | cloexec, 6), (10, 2 | cloexec, 17), (2, 2, 1),
        (10, 2, 58), (16, 3, 0), (16, 2 | cloexec, 0), (2, 3, 255),
    ):  # fmt: skip
        assert told(machine, number, *arguments) is None, arguments
    for family in (*range(3, 10), *range(11, 16), *range(17, 64), 0, 255, 65535, 0xFFFFFFFF):
        assert told(machine, number, family, 1, 0) == errno.EAFNOSUPPORT, family
    for protocol in range(1, 32):
        assert told(machine, number, 16, 3, protocol) == errno.EPROTONOSUPPORT, "netlink, but routes"
    for kind in (0, 4, 5, 6, 10):
        assert told(machine, number, 2, kind, 0) == errno.ESOCKTNOSUPPORT, "SOCK_PACKET is one of these"
    for protocol in (33, 132, 136, 256, 262):
        assert told(machine, number, 2, 1, protocol) == errno.EPROTONOSUPPORT
    # The kernel looks at the lower half of a register alone; so must the filter.
    assert told(machine, number, 0xABCD00000000 | AF_VSOCK, 1, 0) == errno.EAFNOSUPPORT
    assert told(machine, number, 0xABCD00000000 | 2, 1, 0) is None


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_decide(machine: str) -> None:
    clone = calls.number("clone", machine)
    threads, fork = 0x3D0F00, 0x01200011
    assert told(machine, clone, threads) is None and told(machine, clone, fork) is None
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert told(machine, clone, fork | flag) == errno.EPERM, hex(flag)
    ioctl = calls.number("ioctl", machine)
    for request in (0x5412, 0x541C, 0x5423, 0x541D, 0xFFFFFFFF00005412):
        assert told(machine, ioctl, 0, request) == errno.EPERM, hex(request)
    for request in (0x5401, 0x5402, 0x5413, 0x5414, 0x541B, 0x5421, 0x8912):
        assert told(machine, ioctl, 0, request) is None, hex(request)
    personality = calls.number("personality", machine)
    assert told(machine, personality, 0) is None and told(machine, personality, 0xFFFFFFFF) is None
    for value in (0x0040000, 0x0400000, 8, 0x100000000 | 8):
        assert told(machine, personality, value) == errno.EPERM
    setsockopt = calls.number("setsockopt", machine)
    sol_socket, ip, tcp, reuseaddr, attach_filter, lock_filter = 1, 0, 6, 2, 26, 44
    for option in (attach_filter, 50, 51, 52, 0x100000000 | attach_filter):
        assert told(machine, setsockopt, 3, sol_socket, option) == errno.EPERM, option
        # The same numbers are other options at other levels.
        assert told(machine, setsockopt, 3, ip, option) is None
        assert told(machine, setsockopt, 3, tcp, option) is None
    for option in (reuseaddr, 7, 8, 9, 13, 15, 20, 27, lock_filter):
        assert told(machine, setsockopt, 3, sol_socket, option) is None, option


def test_the_assembled_filter_is_the_one_that_was_looked_at() -> None:
    for machine in MACHINES:
        assembled = seccomp.assemble(machine)
        assert len(assembled) == 8 * len(seccomp.instructions(machine))
        assert len(assembled) // 8 <= 1024


def test_a_machine_of_another_family_is_refused() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.assemble("riscv64")


def test_numbers_are_those_that_libseccomp_has() -> None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("not applicable: there is no libseccomp on this machine to compare with")
    compared = 0
    for table in (calls.ABSENT, calls.FORBIDDEN, calls.LOOKED_AT, EVERYDAY):
        for name, both in table.items():
            for machine, ours in zip(MACHINES, both, strict=True):
                theirs = library.seccomp_syscall_resolve_name_arch(
                    ctypes.c_uint32(calls.AUDIT_ARCH[machine]), name.encode()
                )
                if theirs == -1:
                    continue  # a call that this library does not know yet
                assert (theirs if theirs >= 0 else None) == ours, f"{name} on {machine}"
                compared += 1
    assert compared > 150
