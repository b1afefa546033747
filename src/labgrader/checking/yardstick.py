"""Whether the lab's machines were fast enough for what they did, or did not do in time, to count.

A deadline of seconds is generous to a program, until the computer that runs the lab is so busy that Python
itself takes that long to start. A check that failed then says nothing of the submission.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from labgrader.checking.probes import Host

# What students' programs do before their own first line, at students' priority. Tens of milliseconds in a
# namespace, some hundreds on an emulated processor.
COMMAND = ("nice", "-n", "5", "python3", "-I", "-c", "import socket, struct")
# A third of the shortest deadline that a program must meet from its start (programs.LISTEN_S).
SLOW_S = 2.0
PATIENCE_S = 20.0


def too_slow(hosts: Iterable[Host], slow_s: float = SLOW_S) -> str | None:
    """Why a failed check cannot count, in a sentence; None where the machines are fast enough.

    Looks from a machine that no student's file is on, where there is one: what a student can slow down, or
    replace, must not save him from a failed check. Raises LabError when the machine does not answer.
    """
    known = sorted(hosts, key=lambda host: host.machine.student)
    if not known:
        return None
    host = known[0]
    began = time.monotonic()
    status, _ = host.run(*COMMAND, timeout_s=PATIENCE_S, check=False)
    took = time.monotonic() - began
    if took < slow_s or (status != 0 and host.machine.student):
        return None
    return (
        f"{host} was too slow for a fair judgement: it took {took:.1f} s to start Python, for which a tenth "
        "of a second is usual. Grade fewer labs at once, or on a computer with less to do."
    )
