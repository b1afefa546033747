"""mount(2). Python 3.6 syntax, and little to load: this is done at every start of a daemon."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags=0, options=""):
    """mount(2); OSError where it fails."""
    encoded = [text.encode() for text in (source, target, kind)]
    if _libc.mount(*encoded, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s on %s: %s" % (kind or source, target, os.strerror(number)))
