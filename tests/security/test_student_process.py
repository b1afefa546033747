"""What a submission's process is and may call, tried on the kernel; beside each attack, the same unfenced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.contract.labs import Up
from tests.security.attacks import fenced, unfenced

sys.path.append(str(Path(__file__).resolve().parents[2] / "src" / "labgrader" / "guest" / "lib"))

import seccomp_calls as calls  # type: ignore[import-not-found]

pytestmark = pytest.mark.namespaces
MACHINE = os.uname().machine

STATUS = """
lines = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
tell({name: lines[name].strip() for name in lines if name[:3] in ('Cap', 'NoN', 'Sec', 'Uid', 'Gro')})
"""


def test_it_has_no_capability_and_no_way_to_one(up: Up) -> None:
    status = fenced(up.middle, STATUS)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert (status["Uid"], status["Groups"]) == ("1001\t1001\t1001\t1001", "")
    assert int(unfenced(up.middle, STATUS)["CapBnd"], 16) != 0, "else this would say nothing"


def test_its_children_are_fenced_too(up: Up) -> None:
    status = fenced(
        up.middle,
        "done = subprocess.run(['grep', '-E', 'Seccomp:|NoNewPrivs|CapBnd', '/proc/self/status'],"
        " stdout=subprocess.PIPE)\ntell(done.stdout.decode().split())",
    )
    assert status == ["CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]


CALLS = """
found = {}
for name, number in NUMBERS.items():
    pid = os.fork()
    if pid == 0:
        # Nothing that could be done with these arguments: all are wrong.
        answer = call(number, -1, -1, -1, -1, -1, -1)
        os._exit(0 if answer == 'done' else getattr(errno, answer, 255))
    found[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
tell(found)
"""


def _numbers() -> dict[str, int]:
    column = ("x86_64", "aarch64").index(MACHINE)
    return {name: both[column] for name, both in (calls.ABSENT | calls.FORBIDDEN).items() if both[column]}


def test_the_kernel_refuses_every_call_of_the_tables(up: Up) -> None:
    script = f"NUMBERS = {_numbers()}\n{CALLS}"
    answers = fenced(up.middle, script)
    for name in answers:
        assert answers[name] == (38 if name in calls.ABSENT else 1), name
    without = unfenced(up.middle, script)
    differing = [name for name in answers if without[name] != answers[name]]
    assert len(differing) > 20, "without the filter the kernel itself answers"


OBJECTS = """
X = os.uname().machine == 'x86_64'
found = {
    'add_key': call(248 if X else 217, b'user', b'labgrader-test', b'x', 1, -4),
    'keyctl': call(250 if X else 219, 0, -4, 1),
    'memfd_secret': call(447, 0),
    'ptrace': call(101 if X else 117, 0, 0, 0, 0),
    'personality': call(135 if X else 92, 0x0040000),
    'mbind': call(237 if X else 235, 0, 0, 0, 0, 0, 0),
    'clone of a user namespace': None,
}
flags = 0x10000000 | 17
pid = libc.syscall(56 if X else 220, ctypes.c_long(flags), None, None, None, None)
if pid == 0:
    os._exit(0)
found['clone of a user namespace'] = 'done' if pid > 0 else errno.errorcode[ctypes.get_errno()]
for name, family, kind, protocol in (
    ('packet', 17, 3, 0), ('vsock', 40, 1, 0), ('alg', 38, 5, 0), ('key', 15, 3, 2), ('can', 29, 3, 1),
    ('tipc', 30, 1, 0), ('rds', 21, 5, 0), ('xdp', 44, 3, 0), ('bluetooth', 31, 3, 0),
    ('netlink audit', 16, 3, 9),
    ('netlink netfilter', 16, 3, 12), ('netlink sock_diag', 16, 3, 4), ('netlink uevent', 16, 3, 15),
    ('netlink xfrm', 16, 3, 6), ('sctp', 2, 1, 132), ('mptcp', 2, 1, 262), ('raw', 2, 3, 1),
    ('dccp', 2, 6, 33),
):
    found[name] = tried(socket.socket, family, kind, protocol)
keep = ctypes.create_string_buffer(struct.pack('=HBBI', 6, 0, 0, 0xFFFFFFFF))
filter = struct.pack('H6xQ', 1, ctypes.addressof(keep))
found['socket filter'] = tried(socket.socket(2, 1).setsockopt, 1, 26, filter)
master, slave = os.openpty()
for name, number in (('TIOCSTI', 0x5412), ('TIOCLINUX', 0x541C), ('TIOCSETD', 0x5423)):
    found[name] = tried(fcntl.ioctl, slave, number, struct.pack('i', 0) + bytes(12))
tell(found)
"""
REFUSED = {
    "add_key": "ENOSYS",
    "keyctl": "ENOSYS",
    "memfd_secret": "ENOSYS",
    "ptrace": "EPERM",
    "personality": "EPERM",
    "mbind": "EPERM",
    "clone of a user namespace": "EPERM",
    **dict.fromkeys(
        ["packet", "vsock", "alg", "key", "can", "tipc", "rds", "xdp", "bluetooth"], "EAFNOSUPPORT"
    ),
    **{
        f"netlink {name}": "EPROTONOSUPPORT" for name in ("audit", "netfilter", "sock_diag", "uevent", "xfrm")
    },
    "sctp": "EPROTONOSUPPORT",
    "mptcp": "EPROTONOSUPPORT",
    "raw": "EPERM",
    "dccp": "ESOCKTNOSUPPORT",
    "socket filter": "EPERM",
    "TIOCSTI": "EPERM",
    "TIOCLINUX": "EPERM",
    "TIOCSETD": "EPERM",
}


def test_objects_that_cross_namespaces_are_not_to_be_had(up: Up) -> None:
    assert fenced(up.middle, OBJECTS) == REFUSED
    without = unfenced(up.middle, OBJECTS)
    # Keys, tracing and other netlink families are there for everybody on any kernel.
    for name in ("add_key", "keyctl", "ptrace", "personality", "netlink uevent", "TIOCSETD"):
        assert without[name] != REFUSED[name], f"{name} is refused without the filter, too"
    assert unfenced(up.middle, OBJECTS, user="root")["socket filter"] == "done"


FOREIGN = """
import mmap
found = {}
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# mov eax, 20 (getpid of 32-bit programs); int 0x80; ret
page.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')
code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
pid = os.fork()
if pid == 0:
    os._exit(1 if code() == os.getpid() else 2)
found['int 0x80'] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
found['x32'] = call(0x40000000 + 39)
tell(found)
"""


@pytest.mark.skipif(MACHINE != "x86_64", reason="not applicable: this machine has no other kind of calls")
def test_calls_of_other_kinds_of_programs_do_not_exist(up: Up) -> None:
    found = fenced(up.middle, FOREIGN)
    assert found["x32"] == "ENOSYS"
    # 2: it returned, without the answer; -11: this kernel knows no 32-bit programs at all.
    assert found["int 0x80"] in (2, -11)


HONEST = """
import asyncio, concurrent.futures, ctypes.util, multiprocessing.pool, selectors, socketserver
import tempfile, threading, pathlib, shutil, sqlite3, ssl, getpass, platform, uuid, resource, pty
found = []
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))
for kind in (socketserver.TCPServer, socketserver.ThreadingTCPServer, socketserver.ForkingTCPServer):
    with kind(('127.0.0.1', 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with socket.create_connection(server.server_address) as c:
            c.sendall(kind.__name__.encode())
            found.append(c.recv(100).decode())
        server.shutdown()
        thread.join()
async def conversation():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'asyncio\\n')
    found.append((await reader.readline()).decode().strip())
    writer.close()
    process = await asyncio.create_subprocess_exec('echo', 'child', stdout=-1)
    found.append((await process.communicate())[0].decode().strip())
    server.close()
asyncio.run(conversation())
with multiprocessing.get_context('fork').Pool(2) as pool:
    found.append(pool.map(abs, [-1, -2]))
for name in ('spawn', 'forkserver'):
    process = multiprocessing.get_context(name).Process(target=print)
    process.start(); process.join()
    found.append((name, process.exitcode))
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    found.append(list(pool.map(abs, [-3])))
with selectors.DefaultSelector() as chosen:
    a, b = socket.socketpair()
    chosen.register(a, selectors.EVENT_READ)
    b.send(b'x')
    found.append(len(chosen.select(5)))
for command in ('sh -c exit', 'hostname', 'ip -br link', 'ls /', 'ps', 'netstat -lnt'):
    words = command.split()
    found.append((words[0], subprocess.run(words, stdout=subprocess.DEVNULL).returncode))
found.append(os.system('exit 3') >> 8)
found.append(sqlite3.connect(':memory:').execute('select 5').fetchone()[0])
with tempfile.TemporaryDirectory() as folder:
    shutil.copy('/etc/hosts', folder)
    os.mkfifo(folder + '/fifo')
found.append((getpass.getuser() if os.environ.get('USER') else 'x') != '')
found.append(len(socket.if_nameindex()))
found.append(socket.getaddrinfo('127.0.0.1', 80)[0][4][0])
with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as six, socket.socket(socket.AF_UNIX) as local:
    found.append('sockets')
fd = os.memfd_create('x')
os.sched_setaffinity(0, os.sched_getaffinity(0))
signal.setitimer(signal.ITIMER_REAL, 0)
tell(found)
"""


def test_honest_programs_go_on(up: Up) -> None:
    found = fenced(up.middle, f"if __name__ == '__main__':\n{_indented(HONEST)}")
    assert found == [
        "TCPServer", "ThreadingTCPServer", "ForkingTCPServer", "asyncio", "child", [1, 2],
        ["spawn", 0], ["forkserver", 0], [3], 1,
        ["sh", 0], ["hostname", 0], ["ip", 0], ["ls", 0], ["ps", 0], ["netstat", 0],
        3, 5, True, 3, "127.0.0.1", "sockets",
    ]  # fmt: skip


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
