"""What a student gets who makes a daemon start his own program: V0's root by xinetd, and named on gw."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from labgrader.checking.probes import Host
from labgrader.providers.netns import NamespaceProvider
from tests.contract.labs import Up, running
from tests.security.attacks import HEAD, unfenced

pytestmark = pytest.mark.namespaces
SHELL = """service telnet
{
	disable = no
	socket_type = stream
	wait = no
	user = root
	server = /bin/sh
}
"""

ATTACK = r"""
found = {}
def write(path):
    return tried(lambda: open(path, 'a').close())
for path in ('/usr/bin/ping', '/usr/sbin/sshd', '/usr/lib/labgrader/agent.py', '/etc/passwd',
             '/etc/ld.so.preload',
             '/root/.bashrc', '/run/labgrader/sshd_config', '/run/labgrader/units/x',
             '/proc/sys/net/ipv4/ip_forward', '/proc/sys/user/max_user_namespaces'):
    found[path] = write(path)
for path in ('/proc/1/environ', '/proc/1/root/etc', '/proc/1/mem', '/proc/1/fd/3', '/proc/AGENT/mem',
             '/proc/AGENT/environ', '/proc/AGENT/root/etc'):
    look = os.listdir if path.endswith('etc') else lambda p: open(p, 'rb').read(1)
    look = os.readlink if '/fd/' in path else look
    found[path] = tried(look, path)
for name, argv in (('address', 'ip address add 192.168.1.99/24 dev eth1'),
                   ('route', 'ip route add default dev eth1'),
                   ('mount', 'mount -t tmpfs x /mnt'), ('remount', 'mount -o remount,rw,bind /'),
                   ('umount', 'umount /proc/sys'), ('name', 'hostname other'), ('clock', 'date -s 10:00'),
                   ('namespace', 'unshare -m true'), ('user namespace', 'unshare -U true'),
                   ('enter', 'nsenter -t 1 -m true'),
                   ('device', 'mknod /tmp/sda b 8 0'), ('capture', 'tcpdump -c 1 -i eth1')):
    done = subprocess.run(argv.split(), stdin=-3, stdout=-3, stderr=-3)
    found[name] = 'done' if done.returncode == 0 else 'refused'
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
found['hoarded'] = [0, 0]
while found['hoarded'][0] < 5000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
    found['hoarded'][0] += 1
while found['hoarded'][1] < 40 and libc.inotify_init() >= 0:
    found['hoarded'][1] += 1
found['secret'] = len(open('/run/labgrader/host_key').read())
found['log'], found['tmp'], found['home'] = write('/var/log/messages'), write('/tmp/x'), write('/home/lisi/x')
lines = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
found['status'] = {name: lines[name].strip() for name in ('Uid', 'CapEff', 'CapBnd', 'Seccomp')}
os.unlink('/tmp/x'); os.unlink('/home/lisi/x')
tell(found)
"""


@pytest.fixture
def shell_of_v0(up: Up) -> Iterator[Host]:
    """A host on which whoever calls port 23 is root."""
    host = up.middle
    before = host.run("cat", "/etc/xinetd.d/telnet")[1]
    host.run("sh", "-c", 'printf %s "$1" > /etc/xinetd.d/telnet && systemctl restart xinetd', "sh", SHELL)
    yield host
    host.run("sh", "-c", 'printf %s "$1" > /etc/xinetd.d/telnet; systemctl stop xinetd', "sh", before)


def by_xinetd(up: Up, script: str) -> Any:
    """What `script` tells when the root shell of `shell_of_v0` runs it."""
    token = secrets.token_hex(8)
    program = b64encode(f"TOKEN = '{token}'{HEAD}{script}".encode()).decode()
    command = (
        f"echo {program} | base64 -d > /tmp/attack.py; python3 /tmp/attack.py; rm /tmp/attack.py; exit\n"
    )
    with up.right.connect("192.168.1.10", 23) as conversation:
        conversation.send(command.encode())
        text, told = b"", token.encode()
        while text.count(told) < 2:
            stream = conversation.receive(20.0)
            text += stream.data
            assert stream.data, text
    return json.loads(text.split(told)[1])


def test_root_of_v0_by_xinetd_can_change_nothing_that_is_judged(up: Up, shell_of_v0: Host) -> None:
    agent = shell_of_v0.run("sh", "-c", "pgrep -o -f labgrader/agent.py")[1].strip()
    script = ATTACK.replace("AGENT", agent)
    found = by_xinetd(up, script)
    status = found.pop("status")
    assert status["Uid"].split()[0] == "0", "it is root, indeed"
    assert status["Seccomp"] == "2"
    assert found.pop("secret") == 0
    signals, watchers = found.pop("hoarded")
    assert 0 < signals <= 1000 and 0 < watchers <= 32, "these are counted for the grader's user, too"
    # What login and a session need.
    assert [found.pop(name) for name in ("log", "tmp", "home")] == ["done"] * 3
    assert {name for name, answer in found.items() if answer == "done"} == set(), found


def test_the_same_attack_succeeds_without_the_fence(provider: NamespaceProvider) -> None:
    with running(provider) as lab:
        agent = lab.middle.run("sh", "-c", "pgrep -o -f labgrader/agent.py")[1].strip()
        # But for what would end the lab, or wait for a packet.
        script = ATTACK.replace("AGENT", agent).replace(", ('capture', 'tcpdump -c 1 -i eth1')", "")
        found = unfenced(lab.middle, script, user="root")
    assert found["secret"] > 100
    assert found["hoarded"] == [5000, 40]
    for name in (
        *("/usr/bin/ping", "/usr/lib/labgrader/agent.py", "/proc/sys/net/ipv4/ip_forward"),
        *("/proc/1/environ", "/proc/1/root/etc", "/proc/1/fd/3"),
        *("address", "route", "mount", "name", "namespace", "enter"),
    ):
        assert found[name] == "done", name


def test_named_runs_without_new_privileges_behind_the_filter(up: Up) -> None:
    host = up.right
    host.run("systemctl", "start", "named")
    try:
        text = host.run("sh", "-c", "cat /proc/$(pidof named)/status")[1]
    finally:
        host.run("systemctl", "stop", "named")
    status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    admin, ptrace, module, net_admin = 21, 19, 16, 12
    for number in (admin, ptrace, module, net_admin):
        assert not int(status["CapBnd"], 16) >> number & 1
    assert int(status["CapEff"], 16) & ~(1 << 10 | 1 << 24) == 0, "port 53 and limits are all that is left"
