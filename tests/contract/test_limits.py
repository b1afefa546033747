"""What a student's program may use up on his host, and that root can go on working there all the same."""

from __future__ import annotations

import re

import pytest

from labgrader.checking.probes import Host
from labgrader.checking.programs import Program
from tests.contract.labs import LIMITS, Up

STUDENT = ("setpriv", "--reuid=student", "--regid=student", "--clear-groups")
PLACES = ("/home/student", "/tmp", "/var/tmp", "/dev/shm")


def say(host: Host, script: str) -> str:
    """What a program of the student's prints, run to its end under the lab's limits."""
    with Program(host, ["/usr/bin/python3", "-c", script], 11200) as program:
        program.settle(20.0)
        assert program.ended, program.text
        return program.text.decode()


def root_works(host: Host) -> None:
    host.run("sh", "-c", "echo fine > /etc/probe && grep -q fine /etc/probe && rm /etc/probe")
    assert host.connection.run("id -u").stdout == b"0\n"


@pytest.mark.parametrize("place", PLACES)
def test_full_disk_of_the_student_s_is_nobody_else_s(up: Up, place: str) -> None:
    fill = ["sh", "-c", f"dd if=/dev/zero of={place}/big bs=64k 2>&1; stat -c %s {place}/big"]
    try:
        said = up.middle.run(*STUDENT, *fill)[1]
        assert "No space left on device" in said
        assert int(said.split()[-1]) <= LIMITS.disk_mb << 20
        root_works(up.middle)
        for other in PLACES:
            if other != place:
                up.middle.run(*STUDENT, "touch", f"{other}/small")
    finally:
        up.middle.run("sh", "-c", f"rm -f {place}/big {' '.join(f'{other}/small' for other in PLACES)}")


def test_files_of_the_student_s_are_counted(up: Up) -> None:
    fill = "i=0; while : > /home/student/many.$i; do i=$((i+1)); done 2>&1; echo made $i"
    try:
        said = up.middle.run(*STUDENT, "sh", "-c", fill, check=False)[1]
        assert "No space left on device" in said
        root_works(up.middle)
    finally:
        up.middle.run("sh", "-c", "find /home/student -name 'many.*' -delete")


def test_student_may_write_only_where_it_is_his(up: Up) -> None:
    writable = up.middle.run(
        *STUDENT,
        "find",
        "/",
        "-xdev",
        "-writable",
        "-not",
        "-type",
        "l",
        "-not",
        "-path",
        "/proc/*",
        check=False,
    )[1]
    assert set(writable.splitlines()) - {"/run/lock", "/home/student"} == {"/tmp", "/var/tmp"}


def test_system_disk_of_a_host_has_an_end(up: Up) -> None:
    try:
        status, said = up.right.run("dd", "if=/dev/zero", "of=/var/big", "bs=1M", "count=4096", check=False)
        said = said or up.right.run("stat", "-c", "%s", "/var/big")[1]
        assert status != 0
    finally:
        up.right.run("rm", "-f", "/var/big")
    root_works(up.right)


FORKS = """
import os, time
made = []
try:
    for _ in range(2000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        made.append(pid)
    print("no limit")
except OSError as error:
    print("stopped", len(made), error.errno)
"""


def test_processes_of_the_student_s_are_counted(up: Up) -> None:
    with Program(up.middle, ["/usr/bin/python3", "-c", FORKS + "\ntime.sleep(60)\n"], 11200) as program:
        assert program.wait_for([re.compile(rb"stopped \d+ 11")], 20.0), program.text
        count = int(program.text.split()[1])
        assert 4 <= count < LIMITS.processes
        root_works(up.middle)
        assert int(up.middle.run("sh", "-c", "ps -u student --no-headers | wc -l")[1]) == count + 1
        assert up.left.proves_reach(up.middle, "192.168.0.10")
    assert up.middle.run("ps", "-u", "student", check=False)[0] == 1, "all of them were ended"


def test_threads_count_as_processes(up: Up) -> None:
    said = say(
        up.middle,
        "import threading, time\n"
        "try:\n"
        "    for n in range(2000): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
        "except RuntimeError: print('stopped', n)\n",
    )
    assert said.startswith("stopped") and int(said.split()[1]) < LIMITS.processes


def test_open_files_are_counted(up: Up) -> None:
    said = say(
        up.middle, "import os\ntry:\n  while 1: n = os.dup(0)\nexcept OSError as e: print(n, e.errno)\n"
    )
    assert int(said.split()[0]) < LIMITS.open_files and said.split()[1] == "24"


def test_terminals_of_one_host_are_counted(up: Up) -> None:
    script = (
        "import os, resource\n"
        "n = 0\n"
        "try:\n"
        "    while n < 4000:\n"
        "        for _ in range(60): os.openpty(); n += 1\n"
        "        if os.fork(): os.wait(); break\n"
        "        os.closerange(0, 1)\n"
        "except OSError as error: os.write(2, b'%d %d' % (n, error.errno))\n"
    )
    said = say(up.middle, script)
    assert said.split()[-1:] == ["28"], said
    assert b"/dev/pts/" in up.left.connection.run("script -qc tty /dev/null").stdout, (
        "another host has its own"
    )


def test_no_process_of_the_student_s_gains_privileges(up: Up) -> None:
    said = say(
        up.middle,
        "import os, subprocess\n"
        "status = open('/proc/self/status').read()\n"
        "print(os.getresuid(), os.getgroups(), status.split('NoNewPrivs:')[1].split()[0])\n"
        "print(subprocess.run(['sudo', '-n', 'id', '-u'], capture_output=True).returncode)\n",
    )
    first, second = said.strip().splitlines()
    assert first == "(1001, 1001, 1001) [] 1"
    assert second != "0"
