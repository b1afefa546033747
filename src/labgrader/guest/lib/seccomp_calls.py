"""Which system calls a fenced program may not make, and their numbers on the two families of machines.

The numbers are the kernel's own (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h);
above 423 they are the same on both. Python 3.6 syntax, standard library only.
"""

import errno

X86_64, AARCH64 = "x86_64", "aarch64"
AUDIT_ARCH = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}  # linux/audit.h
# The last call that is known here (mseal of 6.10). What a later kernel adds does not exist for the program,
# which then does what it would do on today's kernels.
LAST_KNOWN = 462

# name: (number on x86_64, number on aarch64), None where the machine has none.
# As if the kernel had none: libraries look for these and go on without.
ABSENT = {
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "memfd_secret": (447, 447),
    # Its flags are in memory, where no filter can look; glibc then takes clone, whose flags it can see.
    "clone3": (435, 435),
    "create_module": (174, None),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
}
FORBIDDEN = {
    "perf_event_open": (298, 241),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Those whose arguments decide.
LOOKED_AT = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "ioctl": (16, 29),
    "personality": (135, 92),
    "setsockopt": (54, 208),
}

NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET (sched.h)
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
NETLINK_ROUTE = 0
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_KINDS = 1, 2, 3, 0xF
PROTOCOLS = (0, 1, 6, 17, 58)  # any, ICMP, TCP, UDP, ICMPv6
# Input to a terminal in its owner's name, the text console's selection, line disciplines, console output.
IOCTLS = (0x5412, 0x541C, 0x5423, 0x541D)  # TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS
SOL_SOCKET = 1
# Programs for the kernel to run on each packet, which need no right at all (socket(7)): SO_ATTACH_FILTER,
# _BPF, _REUSEPORT_CBPF and _REUSEPORT_EBPF. One could drop what a client sends before it is acknowledged.
SOCKET_FILTERS = (26, 50, 51, 52)
PERSONALITIES = (0, 0xFFFFFFFF)  # Linux, and the question which one it is


def numbers(machine):
    """(number, errno) of each call that is refused whatever its arguments are, in order."""
    column = (X86_64, AARCH64).index(machine)
    found = [(both[column], errno.ENOSYS) for both in ABSENT.values() if both[column] is not None]
    found += [(both[column], errno.EPERM) for both in FORBIDDEN.values() if both[column] is not None]
    return sorted(found)


def number(name, machine):
    """The number of a call whose arguments are looked at."""
    return LOOKED_AT[name][(X86_64, AARCH64).index(machine)]
