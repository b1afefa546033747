"""What a submission's process can do to its neighbours, to others' processes and to the kernel's settings."""

from __future__ import annotations

import pytest

from tests.contract.labs import MIDDLE_1, Up
from tests.security.attacks import fenced, unfenced

pytestmark = pytest.mark.namespaces

SPOOF = """
found = {}
s = socket.socket(2, 2)
def ioctl(number, rest):
    return tried(fcntl.ioctl, s, number, struct.pack('16s', b'eth1') + rest.ljust(112, b'\\0'))
found['address'] = ioctl(0x8916, b'\\2\\0\\0\\0\\xc0\\xa8\\1\\x0b')
found['hardware address'] = ioctl(0x8924, struct.pack('H6s', 1, b'\\2\\0\\0\\0\\0\\1'))
found['promiscuous'] = ioctl(0x8914, struct.pack('h', 0x1143))
found['any sender'] = tried(s.setsockopt, 0, 19, 1)
found['ICMP redirect'] = tried(socket.socket, 2, 3, 1)
found['ARP'] = tried(socket.socket, 17, 3, 0x0608)
def ip(words):
    return subprocess.run(['ip', *words.split()], stderr=subprocess.DEVNULL).returncode
found['neighbour'] = ip('neigh replace 192.168.1.11 lladdr 02:00:00:00:00:09 dev eth1')
found['route'] = ip('route add 10.0.0.0/8 dev eth1')
found['port 80'] = tried(s.bind, ('0.0.0.0', 80))
found['ping'] = tried(socket.socket, 2, 2, 1)
tell(found)
"""


def test_it_cannot_pretend_to_be_another_machine(up: Up) -> None:
    found = fenced(up.middle, SPOOF)
    assert found.pop("ping") in ("EACCES", "done"), "an echo of its own address, at most"
    assert found.pop("neighbour") != 0 and found.pop("route") != 0
    assert found.pop("ARP") == "EAFNOSUPPORT"
    assert found.pop("port 80") in ("EACCES", "done")
    assert set(found.values()) == {"EPERM"}, found
    # The same by root of the host is done: what refuses is the fence.
    done = unfenced(up.left, SPOOF.replace("eth1", "eth0"), user="root")
    assert done["any sender"] == done["ICMP redirect"] == done["ARP"] == "done"


LINK_LOCAL = """
found = {}
for address in ('fe80::1', 'ff02::1'):
    s = socket.socket(10, 2)
    found[address] = tried(s.sendto, b'anybody?', (address, 7, 0, socket.if_nametoindex('eth1')))
tell(found)
"""


def test_there_is_no_ipv6_to_the_neighbour(up: Up) -> None:
    with up.right.capture("eth1") as heard:
        found = fenced(up.middle, LINK_LOCAL)
        assert up.right.ping(MIDDLE_1), "the capture is awake"
        frames = heard.frames()
    assert set(found.values()) <= {"EADDRNOTAVAIL", "ENETUNREACH", "EACCES", "EINVAL"}, found
    assert frames and not [frame for frame in frames if b"anybody?" in frame]
    assert up.right.run("cat", "/proc/net/if_inet6", check=False)[1].strip() == ""


OTHERS = """
import glob
found = []
for path in glob.glob('/proc/[0-9]*'):
    try:
        mine = 'Uid:\\t%d\\t' % os.getuid() in open(path + '/status').read()
    except OSError:
        continue
    if mine:
        continue
    for name in ('environ', 'mem', 'maps', 'syscall', 'stack', 'auxv', 'io', 'pagemap'):
        try:
            if open(path + '/' + name, 'rb').read(1):
                found.append(path + '/' + name)
        except OSError:
            pass
    for name in ('fd', 'map_files', 'root/', 'cwd/', 'task/' + path.split('/')[2] + '/fd'):
        try:
            found += [path + '/' + name] if os.listdir(path + '/' + name) else []
        except OSError:
            pass
    pid = int(path.split('/')[2])
    for number in (0, signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        if tried(os.kill, pid, number) == 'done':
            found.append('signal %d to %d' % (number, pid))
tell(found)
"""


def test_processes_of_others_are_closed_to_it(up: Up) -> None:
    assert fenced(up.middle, OTHERS) == []
    assert (
        unfenced(
            up.middle,
            OTHERS.replace("number in (0, signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL)", "number in ()"),
            "root",
        )
        == []
    )
    seen = unfenced(
        up.middle,
        OTHERS.replace("if mine:", "if False:").replace(
            "(0, signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL)", "()"
        ),
    )
    assert any(name.endswith("/environ") for name in seen), "it looks where its own process shows"


SETTINGS = """
found = []
for top in ('/proc/sys', '/sys'):
    for folder, _names, files in os.walk(top):
        for name in files:
            path = folder + '/' + name
            try:
                # With what it holds: some are open to all, and refuse at the writing.
                handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                os.pwrite(handle, os.read(handle, 4096), 0)
                found.append(path)
            except OSError:
                pass
for path in ('/proc/sysrq-trigger', '/proc/kcore', '/proc/kmsg', '/dev/mem', '/dev/kmsg'):
    if tried(os.open, path, os.O_RDWR) == 'done' or tried(os.open, path, os.O_RDONLY) == 'done':
        found.append(path)
tell(found)
"""


def test_settings_of_the_kernel_are_closed_to_it(up: Up) -> None:
    assert fenced(up.middle, SETTINGS) == []
    assert "/proc/sys/net/ipv4/ip_forward" in unfenced(up.middle, SETTINGS, user="root")
