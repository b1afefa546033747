"""The time that the daemons under test take for the present: ``labgrader-clock set TIME`` and ``reset``.

On a namespace host only xinetd sees it, through libfaketime and an offset file that it reads at every look
at the clock; an offset, so that time goes on from the given moment. On a virtual machine the machine's clock
is set.
"""

import os
import sys
import time

# Only a virtual machine that was prepared for a lab has this. Everywhere else, a chroot or a namespace
# above all, the clock is the whole computer's and is left alone.
MACHINE = "/etc/labgrader/machine.json"
OFFSET = "/run/labgrader/faketime"
_KEPT = "/run/labgrader/clock-offset"


def is_machine():
    """Whether this system is a virtual machine of a lab's, whose clock is nobody else's."""
    return os.path.exists(MACHINE)


def preload():
    """Return the environment variables that put a program called xinetd, and no other, under the clock."""
    # Not by glob, which is slow to load: this is done at every start of xinetd.
    places = ("/usr/lib/%s/faketime/libfaketime.so.1" % name for name in sorted(os.listdir("/usr/lib")))
    found = [path for path in places if os.path.exists(path)]
    if not found:
        return {}
    if not os.path.exists(OFFSET):
        _write(OFFSET, "+0\n")
    return {
        "LD_PRELOAD": found[0],
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_TIMESTAMP_FILE": OFFSET,
        "FAKETIME_ONLY_CMDS": "xinetd",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _write(path, text):
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    fresh = path + ".new"
    with open(fresh, "w") as stream:
        stream.write(text)
    os.rename(fresh, path)


def moment(text):
    """Return ``2026-03-02T09:00:00`` (local time) as seconds since 1970; raises ValueError."""
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def main(argv):
    """``labgrader-clock set TIME`` or ``reset``; return the exit status."""
    args = argv[1:]
    if os.geteuid():
        sys.stderr.write("labgrader-clock: only root sets the clock.\n")
        return 1
    try:
        if len(args) == 2 and args[0] == "set":
            set_to(moment(args[1]))
            return 0
        if args == ["reset"]:
            reset()
            return 0
    except ValueError:
        sys.stderr.write("labgrader-clock: the time is written like 2026-03-02T09:00:00.\n")
        return 2
    except OSError as error:
        sys.stderr.write("labgrader-clock: the clock cannot be set: %s.\n" % error.strerror)
        return 1
    sys.stderr.write("Usage: labgrader-clock set 2026-03-02T09:00:00 | reset\n")
    return 2


def set_to(target):
    """Make it ``target`` (seconds since 1970) for the daemons under test; raises OSError."""
    offset = target - time.time()
    if not is_machine():
        _write(OFFSET, "%+.3f\n" % offset)
        return
    if not os.path.exists(_KEPT):  # monotonic time goes on through a change of the clock
        _write(_KEPT, "%.3f\n" % (time.time() - time.monotonic()))
    time.clock_settime(time.CLOCK_REALTIME, target)


def reset():
    """Give the daemons under test the true time again; raises OSError."""
    if not is_machine():
        _write(OFFSET, "+0\n")
        return
    if os.path.exists(_KEPT):
        with open(_KEPT) as stream:
            base = float(stream.read())
        time.clock_settime(time.CLOCK_REALTIME, base + time.monotonic())
        os.unlink(_KEPT)
