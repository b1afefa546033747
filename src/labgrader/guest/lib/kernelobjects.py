"""What a student's program can take from the kernel beside its own memory, and bounds for it.

Runs as root on the student's host (Python 3.6 syntax, standard library only). Shared memory, semaphores
and message queues of System V outlive the processes that made them (sysvipc(7)), so that neither a limit
on processes nor their end gives the memory back. In a user namespace of its own a program could mount
file systems of any size (user_namespaces(7)).
"""

import ctypes

IPC_RMID = 0
PAGE = 4096
_libc = ctypes.CDLL(None, use_errno=True)
# The table of each kind, how to remove one by its id, and the column of the owner's user id.
TABLES = (
    ("shm", lambda number: _libc.shmctl(number, IPC_RMID, None)),
    ("sem", lambda number: _libc.semctl(number, 0, IPC_RMID)),
    ("msg", lambda number: _libc.msgctl(number, IPC_RMID, None)),
)


def bound(disk_mb):
    """Set this host's bounds; a kernel that does not let its namespaces' root set one keeps its own."""
    for path, value in (
        ("user/max_user_namespaces", "0"),
        ("kernel/shmall", str(disk_mb * 1024 * 1024 // PAGE)),
        ("kernel/shmmni", "64"),
        ("kernel/sem", "250 1000 32 16"),
        ("kernel/msgmni", "16"),
        ("fs/mqueue/queues_max", "16"),
        # Socket buffers are no process's memory: 64 processes with 256 sockets each could hold gigabytes.
        ("net/ipv4/tcp_rmem", "4096 32768 131072"),
        ("net/ipv4/tcp_wmem", "4096 16384 131072"),
        # A program may make a connection deaf to its other side (IP_MINTTL). Closed, it would go on asking
        # for an answer for minutes, and its port would not become free (tcp(7)).
        ("net/ipv4/tcp_orphan_retries", "1"),
    ):
        _set(path, value)
    spare_the_grader()


def spare_the_grader():
    """Bound what the kernel counts for whoever made this host's namespaces, too.

    The watches of the grader, and of all else that its user runs, come out of the same purse (inotify(7)).
    """
    if _in_a_namespace():
        _set("user/max_inotify_instances", "8")
        _set("user/max_inotify_watches", "1024")


def _set(path, value):
    try:
        with open("/proc/sys/" + path, "w") as file:
            file.write(value)
    except OSError:
        pass


def _in_a_namespace():
    """Whether this host's user ids are a namespace's; on a machine of its own they are the kernel's."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def remove_left(uid):
    """Remove the System V objects that `uid` made; how many there were."""
    count = 0
    for kind, remove in TABLES:
        try:
            with open("/proc/sysvipc/" + kind) as file:
                heading, *rows = [line.split() for line in file]
        except (OSError, ValueError):
            continue
        for row in rows:
            fields = dict(zip(heading, row))
            if str(uid) in (fields["uid"], fields["cuid"]) and remove(int(fields[kind + "id"])) == 0:
                count += 1
    return count


def shared_kb(uid):
    """Memory of the shared segments that `uid` made, in KiB, whether or not a process still maps them."""
    try:
        with open("/proc/sysvipc/shm") as file:
            heading, *rows = [line.split() for line in file]
    except (OSError, ValueError):
        return 0
    owned = (dict(zip(heading, row)) for row in rows)
    return sum(int(item["rss"]) for item in owned if item["cuid"] == str(uid)) // 1024
