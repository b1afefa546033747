"""How much memory the sockets of this host hold, which is no process's.

Runs as root on the student's host (Python 3.6 syntax, standard library only).
"""

import sockdiag

PAGE = 4096
FEW_SOCKETS = 32


def held_kb(most_kb):
    """Memory in the buffers of this host's sockets, in KiB; 0 where it is far below `most_kb` for certain.

    Looks closer only where the kernel's own sums leave that open: a list of all connections takes a while.
    """
    try:
        used, pages = _sums()
        if used <= FEW_SOCKETS and pages * PAGE // 1024 < most_kb // 4:
            return 0
        return sockdiag.buffers() // 1024
    except (OSError, ValueError, IndexError):
        return 0  # a kernel without these: then a cgroup holds it, or nothing does


def _sums():
    """The sockets of this host, and the pages that TCP and UDP hold on the whole machine."""
    used = pages = 0
    with open("/proc/net/sockstat") as file:
        for line in file:
            words = line.split()
            if words[0] == "sockets:":
                used = int(words[words.index("used") + 1])
            elif words[0] in ("TCP:", "UDP:"):
                pages += int(words[words.index("mem") + 1])
    return used, pages
