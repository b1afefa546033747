"""What daemons may do whose files a student hands in: few capabilities, no exotic calls, nothing to change.

Called in the process that becomes the daemon (proc.run's `before`), as root of the host. Python 3.6 syntax,
standard library only. Raises OSError where the kernel refuses.
"""

import ctypes
import errno
import os
import resource

import capabilities
import kernelobjects
import mounts
import seccomp

PR_SET_NO_NEW_PRIVS = 38
PENDING = 256  # signals, counted for whoever made the lab's namespaces, too (confine.py)
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18  # mount(2)
# What login and a session write in; all else of the root file system can only be read by what xinetd starts.
WRITABLE = ("/home", "/tmp", "/var/tmp", "/var/log")
# What others of this host's root run by, or what steers the network: sshd's configuration, the units' state.
READ_ONLY = ("/run/labgrader", "/proc/sys")
SECRET = ("/run/labgrader/host_key",)
# For telnetd, login and su, which xinetd starts, and their terminals; ping opens a raw socket. Nothing
# to change the network, mount, make devices, trace or look into those who have more.
OF_XINETD = (
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "net_bind_service",
    "net_raw",
    "sys_resource",
    "sys_tty_config",
    "audit_write",
    "audit_control",
)
# To open port 53 and files of root's, and to become its own user.
OF_NAMED = ("setgid", "setuid", "net_bind_service", "dac_override", "sys_resource")


def xinetd():
    """Fence the caller in as xinetd. Set-uid programs keep their effect: lisi becomes root with su."""
    kernelobjects.spare_the_grader()
    try:
        _look_only()
    except OSError as error:
        # Whom the root of a telnet session starts is behind the fence already, and may not mount.
        if error.errno != errno.EPERM or not _fenced():
            raise
    _fence(OF_XINETD)


def named():
    """Fence the caller in as named, which needs no set-uid program."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    _fence(OF_NAMED)


def _look_only():
    """Make the files that others of this host's root run by unwritable, for this process and its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNS)")
    mounts.mount("none", "/", "", MS_REC | MS_PRIVATE)
    for path in WRITABLE:
        mounts.mount(path, path, "", MS_BIND | MS_REC)
    for path in SECRET:
        if os.path.exists(path):
            mounts.mount("/dev/null", path, "", MS_BIND)
    for path in READ_ONLY:
        if os.path.isdir(path):
            mounts.mount(path, path, "", MS_BIND | MS_REC)
            mounts.mount("none", path, "", MS_REMOUNT | MS_BIND | MS_RDONLY | _flags(path))
    mounts.mount("none", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | _flags("/"))


def _flags(path):
    """The flags that a mount has, and that a change of it must not take away."""
    return os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)


def _fenced():
    """Whether this process runs behind a seccomp filter."""
    with open("/proc/self/status") as file:
        return "\nSeccomp:\t2" in file.read()


def _fence(names):
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (PENDING, PENDING))
    try:
        # First, as long as this process may: without no_new_privs it takes CAP_SYS_ADMIN.
        seccomp.install(seccomp.assemble())
    except OSError as error:
        if error.errno != errno.EACCES or not _fenced():
            raise
    capabilities.bound(names)
