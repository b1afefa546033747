"""Nothing of the grader's is to be seen in a lab, and nothing of one lab in another one beside it."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from labgrader.checking.programs import Program
from labgrader.providers.netns import runtime
from tests.contract.labs import MIDDLE_0, RIGHT, Up
from tests.security.attacks import HEAD, fenced, unfenced

pytestmark = pytest.mark.namespaces

LOOK = """
import glob
found, marks = [], MARKS
def look(path):
    try:
        data = open(path, 'rb').read(1 << 20)
    except (OSError, ValueError):
        return
    found.extend('%s in %s' % (mark, path) for mark in marks if mark.encode() in data)
for path in glob.glob('/proc/[0-9]*'):
    if path != '/proc/%d' % os.getpid():
        for name in ('environ', 'cmdline', 'cgroup', 'mountinfo', 'mounts', 'comm', 'maps'):
            look(path + '/' + name)
for top in '/run /tmp /var/tmp /var/log /home /etc /dev/shm /root /srv /mnt /media /opt'.split():
    for folder, folders, names in os.walk(top):
        found += [folder + '/' + n for n in names + folders if any(mark in n for mark in marks)]
        for name in names:
            if not os.path.islink(folder + '/' + name) and os.path.isfile(folder + '/' + name):
                look(folder + '/' + name)
for path in ('net/unix', 'mounts', 'self/mountinfo', 'self/cgroup', 'keys', 'locks', 'self/environ'):
    look('/proc/' + path)
tell(found)
"""


def test_nothing_of_the_grader_s_is_to_be_seen(up: Up, neighbour: Up, tmp_path: Path) -> None:
    mark = secrets.token_hex(12)
    (tmp_path / f"checks-{mark}").write_text(mark)
    key = up.lease.hosts["middle"].client_key.splitlines()[2]
    other = neighbour.lease.hosts["middle"].client_key.splitlines()[2]
    # A process of the grader's with the mark in its arguments and in its environment.
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", mark],
        stdin=subprocess.PIPE,
        env={**os.environ, "LABGRADER_TEST_MARK": mark},
    )
    try:
        marks = [
            mark,
            key,
            other,
            str(runtime.root()),
            neighbour.lease.lab_id,
            up.lease.lab_id,
            str(Path.cwd()),
        ]
        script = LOOK.replace("MARKS", repr([one for one in marks if len(one) > 4]))
        assert fenced(up.middle, script) == []
        # Root of the machine, too; the control is a mark that is there.
        shown = unfenced(up.middle, script, user="root")
        assert not [line for line in shown if line.startswith((mark, key, other))]
        up.middle.run("sh", "-c", f"echo {mark} > /tmp/there; chmod 644 /tmp/there")
        try:
            assert unfenced(up.middle, script) == [f"{mark} in /tmp/there"]
        finally:
            up.middle.run("rm", "/tmp/there")
    finally:
        process.communicate()


MAKE = """
libc.mq_open.restype = ctypes.c_int
s = socket.socket(socket.AF_UNIX)
s.bind('\\0' + MARK)
s.listen()
found = {'abstract': 'made'}
found['shm'] = libc.shmget(0x4C47, 4096, 0o1666)
found['sem'] = libc.semget(0x4C47, 1, 0o1666)
found['msg'] = libc.msgget(0x4C47, 0o1666)
found['mq'] = ctypes.CDLL('librt.so.1', use_errno=True).mq_open(b'/' + MARK.encode(), 0o102, 0o666, None)
open('/dev/shm/' + MARK, 'w').close()
os.memfd_create(MARK)
sys.stdout.write(json.dumps(found) + '\\n')
sys.stdout.flush()
time.sleep(60)
"""
FIND = """
found = {}
def unix():
    s = socket.socket(socket.AF_UNIX)
    s.connect('\\0' + MARK)
found['abstract'] = tried(unix)
for name, get in (('shm', lambda: libc.shmget(0x4C47, 0, 0)), ('sem', lambda: libc.semget(0x4C47, 0, 0)),
                  ('msg', lambda: libc.msgget(0x4C47, 0))):
    found[name] = 'done' if get() >= 0 else errno.errorcode[ctypes.get_errno()]
mq = ctypes.CDLL('librt.so.1', use_errno=True).mq_open(b'/' + MARK.encode(), 2)
found['mq'] = 'done' if mq >= 0 else errno.errorcode[ctypes.get_errno()]
found['file'] = tried(os.stat, '/dev/shm/' + MARK)
def memory():
    import glob
    for path in glob.glob('/proc/[0-9]*/fd/*'):
        try:
            if MARK in os.readlink(path):
                return
        except OSError:
            pass
    raise FileNotFoundError(errno.ENOENT, 'memfd')
found['memfd'] = tried(memory)
tell(found)
"""


def test_kernel_objects_of_one_lab_are_not_in_the_other(up: Up, neighbour: Up) -> None:
    mark = f"lg-{secrets.token_hex(6)}"
    head = "import ctypes, errno, json, os, socket, sys, time\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    maker = f"{head}MARK = '{mark}'\n{MAKE}"
    up.middle.run("sh", "-c", 'python3 -c "$1" > /tmp/made 2>&1 &', "sh", maker)
    try:
        seek = f"MARK = '{mark}'\n{FIND}"
        up.middle.run("sh", "-c", "until grep -q abstract /tmp/made; do sleep 0.01; done")
        # The control: on the machine where they are, each is found.
        assert set(unfenced(up.middle, seek, user="root").values()) == {"done"}
        absent = {
            "abstract": "ECONNREFUSED",
            **dict.fromkeys(["shm", "sem", "msg", "mq", "file", "memfd"], "ENOENT"),
        }
        assert unfenced(neighbour.middle, seek, user="root") == absent
        assert unfenced(up.left, seek, user="root") == absent, "nor on its neighbour in the same lab"
        assert fenced(neighbour.middle, seek) == absent
    finally:
        up.middle.run("sh", "-c", f"pkill -f {mark}; rm -f /tmp/made /dev/shm/{mark}; ipcrm -a", check=False)


REACH = """
found = {}
for address in ADDRESSES:
    s = socket.socket()
    s.settimeout(0.3)
    found[address] = tried(s.connect, (address, 4321))
tell(found)
"""


def test_a_program_reaches_nothing_but_its_own_lab(up: Up, neighbour: Up) -> None:
    answer = neighbour.middle.hands.ask("serve_word", address="0.0.0.0", port=4321, timeout=30)
    assert answer["word"]
    gateway = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    outside = ["192.0.2.1", "169.254.169.254", "10.0.2.2", *[one for one in gateway if ":" not in one]]
    script = f"ADDRESSES = {[MIDDLE_0, RIGHT, *outside]}\n{REACH}"
    found = fenced(up.middle, script)
    assert found[MIDDLE_0] == found[RIGHT] == "ECONNREFUSED", (
        "the machines of its own lab, which do not listen"
    )
    assert {found[address] for address in outside} == {"ENETUNREACH"}, found
    # The control: from the lab where it listens, the same address answers.
    with neighbour.left.connect(MIDDLE_0, 4321) as conversation:
        assert conversation.receive().data == answer["word"].encode()


# As many open files in flight as one user may have, then what is left of other quotas of his.
HOARD = """
import array
kept, found = [], {}
def pass_on(count=100):
    pair = socket.socketpair()
    kept.append(pair)
    pair[0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * count))])
for _ in range(20):
    found['in flight'] = tried(pass_on)
while libc.inotify_init() >= 0:
    found['watchers'] = found.get('watchers', 0) + 1
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
found['signals'] = 0
while found['signals'] < 5000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
    found['signals'] += 1
tell(found)
time.sleep(60)
"""
PASS_ON = """
import array
pair = socket.socketpair()
def pass_on():
    pair[0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))])
tell([tried(pass_on), libc.inotify_init() >= 0])
"""


def test_what_one_student_hoards_the_others_and_the_grader_have_still(up: Up, neighbour: Up) -> None:
    script = f"TOKEN = 'told'{HEAD}{HOARD}"
    with Program(up.middle, ["/usr/bin/python3", "-c", script], 11200) as hoarder:
        assert hoarder.wait_for([re.compile(b"told.*told")], 20.0), hoarder.text
        # The control: it went as far as it could get.
        assert b'"in flight": "ETOOMANYREFS"' in hoarder.text
        few = re.search(rb'"watchers": (\d+), "signals": (\d+)', hoarder.text)
        assert few and 0 < int(few[1]) <= 32 and 0 < int(few[2]) <= 1000, hoarder.text
        assert fenced(neighbour.middle, PASS_ON) == ["done", True]
        # Those of the lab are counted for the grader's user, too, who may have 128 as kernels come.
        handle = ctypes.CDLL(None, use_errno=True).inotify_init()
        assert handle >= 0
        os.close(handle)


def test_the_students_of_two_labs_are_two_users_outside(up: Up, neighbour: Up) -> None:
    def outside(lab: Up) -> set[int]:
        """The user ids, as this machine has them, of the processes that LISI and STUDENT run there."""
        argv = ["/usr/bin/python3", "-c", "import time; print('up', flush=True); time.sleep(60)"]
        with Program(lab.middle, argv, 11200) as program:
            assert program.wait_for([re.compile(b"up")])
            return {
                entry.stat().st_uid
                for entry in Path("/proc").iterdir()
                if entry.name.isdigit() and _says(entry / "cmdline", b"print('up', flush=True)")
            }

    first, second = outside(up), outside(neighbour)
    assert len(first) == len(second) == 1 and first != second
    # Inside nothing of that is to be seen.
    for lab in (up, neighbour):
        homes = lab.middle.run("stat", "-c", "%U %u %g", "/home/student", "/home/lisi")[1]
        assert homes.split("\n")[:2] == ["student 1001 1001", "lisi 1000 1000"]


def _says(path: Path, words: bytes) -> bool:
    try:
        return words in path.read_bytes()
    except OSError:
        return False
