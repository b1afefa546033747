"""A seccomp filter for what a student hands in: system calls that no lab needs fail, as if there were none.

Refused calls return an error and end nobody, so that an honest program with a second way goes on. The filter
is a program for the kernel's classic BPF machine (seccomp(2), bpf(4)), made here without a library. Runs on
the lab's hosts (Python 3.6 syntax, standard library only).
"""

import ctypes
import errno
import os
import struct

import seccomp_calls as calls

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, GREATER, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
X32 = 0x40000000
MOST = 4096  # instructions, BPF_MAXINSNS

_libc = ctypes.CDLL(None, use_errno=True)


def _if(test, value, *then):
    """Do `then`, which ends with a return, where the test holds; else go on behind it."""
    assert len(then) < 256
    return [(test, 0, len(then), value), *then]


def _load(offset):
    return (LOAD, 0, 0, offset)


def _argument(index):
    # The low half: what is compared here are all ints to the kernel, or flags of 32 bits. Both families of
    # machines are little-endian.
    return _load(ARGUMENTS + 8 * index)


def _refuse(number):
    return (RETURN, 0, 0, ERRNO | number)


_ALLOWED = (RETURN, 0, 0, ALLOW)


def _each_allowed(values):
    return [step for value in values for step in _if(EQUAL, value, _ALLOWED)]


def _internet():
    """For a socket of the internet families: streams, datagrams and (for those who may) raw ones."""
    good = [
        _argument(2),
        *_each_allowed(calls.PROTOCOLS),
        _refuse(errno.EPROTONOSUPPORT),
    ]
    return [
        _argument(1),
        (AND, 0, 0, calls.SOCK_KINDS),
        *_if(EQUAL, calls.SOCK_RAW, _ALLOWED),
        *_if(EQUAL, calls.SOCK_STREAM, *good),
        *_if(EQUAL, calls.SOCK_DGRAM, *good),
        _refuse(errno.ESOCKTNOSUPPORT),
    ]


def _socket():
    netlink = [_argument(2), *_each_allowed([calls.NETLINK_ROUTE]), _refuse(errno.EPROTONOSUPPORT)]
    return [
        _argument(0),
        *_if(EQUAL, calls.AF_UNIX, _ALLOWED),
        *_if(EQUAL, calls.AF_NETLINK, *netlink),
        *_if(EQUAL, calls.AF_INET, *_internet()),
        *_if(EQUAL, calls.AF_INET6, *_internet()),
        _refuse(errno.EAFNOSUPPORT),
    ]


def _clone():
    return [_argument(0), *_if(ANY_BIT, calls.NEW_NAMESPACES, _refuse(errno.EPERM)), _ALLOWED]


def _ioctl():
    refused = [step for request in calls.IOCTLS for step in _if(EQUAL, request, _refuse(errno.EPERM))]
    return [_argument(1), *refused, _ALLOWED]


def _setsockopt():
    filters = [step for option in calls.SOCKET_FILTERS for step in _if(EQUAL, option, _refuse(errno.EPERM))]
    return [_argument(1), *_if(EQUAL, calls.SOL_SOCKET, _argument(2), *filters, _ALLOWED), _ALLOWED]


def _personality():
    return [_argument(0), *_each_allowed(calls.PERSONALITIES), _refuse(errno.EPERM)]


def instructions(machine):
    """The filter for `machine` (as uname says) as a list of (code, jump if true, jump if false, value).

    Raises OSError where the machine is of no family that is known here.
    """
    if machine not in calls.AUDIT_ARCH:
        raise OSError(errno.ENOTSUP, "no seccomp filter is written for machines of the kind %s" % machine)
    made = [
        _load(ARCHITECTURE),
        # 32-bit calls have numbers of their own, which this filter does not know.
        (EQUAL, 1, 0, calls.AUDIT_ARCH[machine]),
        _refuse(errno.ENOSYS),
        _load(NUMBER),
    ]
    if machine == calls.X86_64:
        made += _if(AT_LEAST, X32, _refuse(errno.ENOSYS))
    made += _if(GREATER, calls.LAST_KNOWN, _refuse(errno.ENOSYS))
    looks = (("ioctl", _ioctl), ("socket", _socket), ("socketpair", _socket), ("clone", _clone))
    for name, look in (*looks, ("personality", _personality), ("setsockopt", _setsockopt)):
        made += _if(EQUAL, calls.number(name, machine), *look())
    for number, error in calls.numbers(machine):
        made += _if(EQUAL, number, _refuse(error))
    made.append(_ALLOWED)
    assert len(made) <= MOST
    return made


_assembled = {}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def assemble(machine=None):
    """The filter in the kernel's form (an array of struct sock_filter), to be given to `install`."""
    machine = machine or os.uname().machine
    if machine not in _assembled:
        steps = instructions(machine)
        _assembled[machine] = b"".join(struct.pack("=HBBI", *step) for step in steps)
    return _assembled[machine]


def install(assembled):
    """Put the filter on this thread and all that it will start; it cannot be taken off again.

    The caller has no new privileges (PR_SET_NO_NEW_PRIVS) or CAP_SYS_ADMIN. Raises OSError.
    """
    program = _Program(len(assembled) // 8, assembled)
    if _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "prctl(PR_SET_SECCOMP): %s" % os.strerror(number))
