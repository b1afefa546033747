# expect: score=100
# Kernel objects that know no namespaces, and calls in which kernels had their bugs.
import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == "x86_64"
for name, one, other, arguments in (
    ("keyctl", 250, 219, (0, -4, 1)), ("io_uring_setup", 425, 425, (1, ctypes.create_string_buffer(256))),
    ("userfaultfd", 323, 282, (1,)), ("bpf", 321, 280, (0, ctypes.create_string_buffer(128), 128)),
    ("perf_event_open", 298, 241, (ctypes.create_string_buffer(128), 0, -1, -1, 0)),
    ("unshare", 272, 97, (0x10000000,)), ("fsopen", 430, 430, (b"tmpfs", 0)), ("ptrace", 101, 117, (0, 0, 0, 0)),
):
    done = libc.syscall(one if x86 else other, *arguments)
    if done >= 0:
        raise SystemExit("GOT " + name)
    print("no", name, os.strerror(ctypes.get_errno()))
for family in (17, 38, 40, 15, 30, 29, 31, 44, 21):
    try:
        s = socket.socket(family, socket.SOCK_DGRAM if family == 40 else socket.SOCK_RAW, 0)
        raise SystemExit("GOT family %d" % family)
    except OSError as error:
        print("family", family, error.strerror)
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print([c.recv(1024)])
c.close()
