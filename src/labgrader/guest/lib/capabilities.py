"""What root of a lab's host may give up for good: capabilities, before it becomes or starts somebody else.

Python 3.6 syntax, standard library only. Facts: capabilities(7), capset(2), prctl(2).
"""

import ctypes
import errno
import os
import struct

PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 23, 24, 47, 4
VERSION = 0x20080522
NUMBERS = {
    "chown": 0,
    "dac_override": 1,
    "dac_read_search": 2,
    "fowner": 3,
    "fsetid": 4,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "net_bind_service": 10,
    "net_raw": 13,
    "sys_resource": 24,
    "sys_tty_config": 26,
    "audit_write": 29,
    "audit_control": 30,
}
_libc = ctypes.CDLL(None, use_errno=True)


def bound(names=()):
    """Leave only these capabilities for whatever is started from here on, set-uid programs included."""
    keep = {NUMBERS[name] for name in names}
    for number in range(64):
        if number in keep:
            continue
        there = _libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0)
        if there < 0:
            break  # the kernel's last one was before
        if there and _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_CAPBSET_DROP, %d)" % number)
    # Kernels before 4.3 have no ambient set and say EINVAL.
    if (
        _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0
        and ctypes.get_errno() != errno.EINVAL
    ):
        raise OSError(ctypes.get_errno(), "prctl(PR_CAP_AMBIENT)")


def drop_all():
    """Give up every capability of this process now, those that an exec could bring back among them."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", VERSION, 0))
    if _libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *[0] * 6))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "capset: %s" % os.strerror(number))
