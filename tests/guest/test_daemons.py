"""named and xinetd for real: started as the course starts them, looked at from another host."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pexpect
import pytest

from tests.guest.conftest import Host, enter, run_in_host

pytestmark = pytest.mark.namespaces

NAMED_CONF = """options {
\tlisten-on port 53 { 127.0.0.1; 192.168.1.10; };
\t// listen-on-v6 port 53 { ::1; };
\tdirectory "/var/named";
\tallow-query { any; };
\tforwarders { 192.168.1.11; };
\trecursion yes;
\tdnssec-enable no;
\tdnssec-validation no;
\tdnssec-lookaside auto;
\tbindkeys-file "/etc/named.root.key";
\tmanaged-keys-directory "/var/named/dynamic";
\tpid-file "/run/named/named.pid";
};
zone "." IN { type hint; file "named.ca"; };
include "/etc/named.rfc1912.zones";
include "/etc/named.root.key";
"""
TELNET = """service telnet
{{
\tflags = REUSE
\tsocket_type = stream
\twait = no
\tuser = {user}
\tserver = /usr/sbin/in.telnetd
\tlog_on_failure += USERID
\tdisable = no
\t{more}
}}
"""


def sockets(host: Host, port: int) -> set[str]:
    """Return "udp ADDRESS:PORT" and "tcp ..." of what listens on ``port``."""
    lines = run_in_host(host, ["ss", "-Hlntu"]).stdout.splitlines()
    found = {f"{words[0]} {words[4]}" for words in map(str.split, lines)}
    return {f for f in found if f.endswith(f":{port}")}


def test_named_with_the_course_configuration(pair: tuple[Host, Host]) -> None:
    v0, v1 = pair
    v1.write("/etc/dnsmasq.conf", "user=dnsmasq\nno-resolv\nno-hosts\naddress=/www.example.com/203.0.113.7\n")
    assert run_in_host(v1, ["systemctl", "start", "dnsmasq"]).returncode == 0
    v0.write("/etc/named.conf", NAMED_CONF)
    done = run_in_host(v0, ["systemctl", "start", "named"])
    assert done.returncode == 0, done.stderr
    assert "/etc/named.conf:8: option 'dnssec-enable'" in done.stderr
    assert json.loads(v0.read("/run/labgrader/named-dropped.json")) == [
        {"file": "/etc/named.conf", "line": 8, "option": "dnssec-enable"},
        {"file": "/etc/named.conf", "line": 10, "option": "dnssec-lookaside"},
    ]
    where = {f"{kind} {address}:53" for kind in ("tcp", "udp") for address in ("127.0.0.1", "192.168.1.10")}
    assert sockets(v0, 53) == where and sockets(v0, 953) == {"tcp 127.0.0.1:953"}
    answer = run_in_host(v1, ["dig", "+short", "@192.168.1.10", "www.example.com"])
    assert answer.stdout == "203.0.113.7\n"
    assert run_in_host(v0, ["ps", "-o", "user=", "-C", "named"]).stdout.split() == ["named"]
    assert run_in_host(v0, ["named-checkconf"]).returncode == 0
    for action in ("reload", "restart", "stop"):
        assert run_in_host(v0, ["systemctl", action, "named"]).returncode == 0
        assert run_in_host(v0, ["systemctl", "is-active", "named"]).stdout == (
            "inactive\n" if action == "stop" else "active\n"
        )
    assert sockets(v0, 53) == set()


def test_named_as_installed(v0: Host) -> None:
    run_in_host(v0, ["systemctl", "start", "network"])
    assert run_in_host(v0, ["systemctl", "start", "named"]).returncode == 0
    assert sockets(v0, 53) == {"tcp 127.0.0.1:53", "udp 127.0.0.1:53"}
    answer = run_in_host(v0, ["dig", "+short", "@127.0.0.1", "localhost"])
    assert answer.stdout == "127.0.0.1\n"


def test_a_changed_file_is_read_by_rndc_reload(v0: Host) -> None:
    run_in_host(v0, ["systemctl", "start", "network"])
    v0.write("/etc/named.conf", NAMED_CONF)
    assert run_in_host(v0, ["systemctl", "start", "named"]).returncode == 0
    v0.write("/etc/named.conf", NAMED_CONF + 'zone "lab.test" { type master; file "named.localhost"; };\n')
    assert run_in_host(v0, ["rndc", "reload"]).returncode == 0
    answer = run_in_host(v0, ["dig", "+short", "+tries=1", "@127.0.0.1", "lab.test"])
    assert answer.stdout == "127.0.0.1\n"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("forwarders", "forwarder", "/etc/named.conf:6: unknown option 'forwarder'"),
        ("recursion yes;", "recursion yes", "/etc/named.conf:8: missing ';' before 'dnssec-enable'"),
        (
            "dnssec-enable no;",
            "dnssec-enable no",
            "/etc/named.conf:9: missing ';' before 'dnssec-validation'",
        ),
        ("};\nzone", "}\nzone", "/etc/named.conf:15: missing ';' before 'zone'"),
        ("named.ca", "nothing.ca", "could not configure root hints from 'nothing.ca': file not found"),
        ("192.168.1.11;", "192.168.1.300;", "/etc/named.conf:6: "),
        ("/etc/named.rfc1912.zones", "/etc/shadow", "/etc/named.conf:16: '/etc/shadow' is refused"),
        ("/etc/named.rfc1912.zones", "/dev/zero", "/etc/named.conf:16: '/dev/zero' is refused"),
        (
            "/etc/named.rfc1912.zones",
            "/etc/named.fifo",
            "/etc/named.conf:16: '/etc/named.fifo' is not a regular file",
        ),
        ("/etc/named.rfc1912.zones", "/etc/named.conf", "/etc/named.conf:16: include loop"),
        ("/etc/named.root.key", "/etc/shadow", "/etc/named.conf:11: '/etc/shadow' is refused"),
    ],
)
def test_named_says_what_is_wrong_with_the_file(v0: Host, old: str, new: str, sentence: str) -> None:
    assert old in NAMED_CONF
    run_in_host(v0, ["mkfifo", "/etc/named.fifo"])
    v0.write("/etc/named.conf", NAMED_CONF.replace(old, new))
    done = run_in_host(v0, ["systemctl", "start", "named"], timeout=15)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Job for named.service failed")
    assert lines[1].startswith(sentence), done.stderr
    assert "$6$" not in done.stderr and "/run/named/running" not in done.stderr
    assert lines[1] in v0.read("/var/log/messages")
    assert run_in_host(v0, ["systemctl", "is-active", "named"]).stdout == "failed\n"
    assert "$6$" not in v0.read("/var/log/messages")
    assert run_in_host(v0, ["pgrep", "-x", "-r", "S,R,D", "named"]).returncode == 1


@pytest.fixture
def telnet(pair: tuple[Host, Host]) -> Callable[..., tuple[Host, Host]]:
    """Return a function that starts xinetd on V0 with the telnet service so restricted."""

    def start(more: str = "", user: str = "root") -> tuple[Host, Host]:
        v0, v1 = pair
        v0.write("/etc/xinetd.d/telnet", TELNET.format(more=more, user=user))
        done = run_in_host(v0, ["service", "xinetd", "restart"])
        assert done.returncode == 0, done.stderr
        assert "Redirecting to /bin/systemctl restart xinetd.service" in done.stderr
        return v0, v1

    return start


def dial(host: Host, *options: str) -> pexpect.spawn[str]:
    """Telnet from ``host`` to V0."""
    return pexpect.spawn(
        enter(host)[0],
        [*enter(host)[1:], "telnet", *options, "192.168.1.10"],
        encoding="utf-8",
        codec_errors="replace",
        timeout=10,
    )


def login(client: pexpect.spawn[str], user: str, password: str) -> bool:
    """Log in; True when a prompt came."""
    client.expect("login: ")
    client.sendline(user)
    client.expect("assword: ")
    client.sendline(password)
    return bool(client.expect(["Login incorrect", r"[$#] "]) == 1)


def served(client: pexpect.spawn[str]) -> bool:
    """Tell whether the far end offers a login; False when it closes the connection."""
    return bool(client.expect(["login: ", "closed by foreign host", pexpect.EOF]) == 0)


def test_lisi_logs_in_and_becomes_root_with_su(telnet: Callable[..., tuple[Host, Host]]) -> None:
    _, v1 = telnet()
    begin = time.monotonic()
    client = dial(v1)
    assert login(client, "lisi", "1")
    assert time.monotonic() - begin < 2
    client.sendline("id -u; env; echo E''ND")
    client.expect("END")
    assert re.search(r"^1000\r?$", client.before or "", re.MULTILINE)
    assert "FAKETIME" not in (client.before or "") and "LD_PRELOAD" not in (client.before or "")
    client.sendline("su -c id")
    client.expect("assword: ")
    client.sendline("redhat")
    client.expect(re.escape("uid=0(root)"))
    client.sendline("exit")
    client.expect(pexpect.EOF)


def test_root_and_wrong_passwords_are_refused_quickly(telnet: Callable[..., tuple[Host, Host]]) -> None:
    _, v1 = telnet()
    for user, password in (("root", "redhat"), ("lisi", "2"), ("student", ""), ("nobody", "1")):
        client = dial(v1)
        begin = time.monotonic()
        assert not login(client, user, password)
        assert time.monotonic() - begin < 5
        client.close(force=True)
    client = dial(v1)
    assert login(client, "lisi", "1")  # the refusals above are not for want of a service
    client.close(force=True)


def test_user_lisi_in_the_service_lets_nobody_log_in(telnet: Callable[..., tuple[Host, Host]]) -> None:
    _, v1 = telnet(user="lisi")
    client = dial(v1)
    client.expect("closed by foreign host|" + re.escape("Cannot possibly work without effective root"))
    client.close(force=True)


def test_only_from(telnet: Callable[..., tuple[Host, Host]]) -> None:
    v0, v1 = telnet("only_from = 192.168.1.11")
    assert served(dial(v1, "-b", "192.168.1.11"))
    assert not served(dial(v1, "-b", "192.168.1.12"))
    assert not served(dial(v0))
    assert "FAIL: telnet address from=" in v0.read("/var/log/messages")


def test_instances(telnet: Callable[..., tuple[Host, Host]]) -> None:
    _, v1 = telnet("instances = 2")
    first, second = dial(v1), dial(v1)
    assert served(first) and served(second)
    assert not served(dial(v1))
    first.close(force=True)
    deadline = time.monotonic() + 5
    while not served(dial(v1)):
        assert time.monotonic() < deadline


def test_access_times_follow_the_clock_without_a_restart(telnet: Callable[..., tuple[Host, Host]]) -> None:
    v0, v1 = telnet("access_times = 08:00-12:00 12:30-17:00")
    pid = v0.read("/run/xinetd.pid")
    for moment, open_ in (
        ("09:00:00", True),
        ("12:15:00", False),
        ("16:59:00", True),
        ("18:00:00", False),
        ("07:59:00", False),
        ("12:31:00", True),
    ):
        done = run_in_host(v0, ["labgrader-clock", "set", f"2026-03-02T{moment}"])
        assert done.returncode == 0, done.stderr
        assert served(dial(v1)) is open_, moment
    assert v0.read("/run/xinetd.pid") == pid
    assert "26/3/2@12:31:0" in v0.read("/var/log/messages")  # seconds pass from there on
    client = dial(v1)
    assert login(client, "lisi", "1")
    client.sendline("date +Y%Y; date +%s")
    client.expect(r"Y\d{4}\r?\n(\d+)")
    assert isinstance(client.match, re.Match)
    assert abs(int(client.match.group(1)) - time.time()) < 10  # the session has the true time
    client.close(force=True)
    assert run_in_host(v0, ["labgrader-clock", "reset"]).returncode == 0
    assert run_in_host(v0, ["labgrader-clock", "set", "9 o'clock"]).returncode == 2


def test_clock_of_this_computer_is_never_set(pair: tuple[Host, Host]) -> None:
    # The hosts of these tests are root's own, without a user namespace: the kernel would let them.
    v0, _ = pair
    base = time.time() - time.monotonic()
    for words in (["set", "2026-03-02T09:00:00"], ["reset"]):
        assert run_in_host(v0, ["labgrader-clock", *words]).returncode == 0
        assert abs(time.time() - time.monotonic() - base) < 5


def test_the_clock_goes_on_from_the_given_moment(telnet: Callable[..., tuple[Host, Host]]) -> None:
    v0, v1 = telnet("access_times = 08:00-12:00")
    run_in_host(v0, ["labgrader-clock", "set", "2026-03-02T07:59:58"])
    assert not served(dial(v1))
    deadline = time.monotonic() + 8
    while not served(dial(v1)):
        assert time.monotonic() < deadline


def test_a_broken_service_file_is_told(pair: tuple[Host, Host]) -> None:
    v0, _ = pair
    v0.write("/etc/xinetd.d/telnet", TELNET.format(more="instances = many", user="nosuchuser"))
    done = run_in_host(v0, ["systemctl", "restart", "xinetd"])
    assert done.returncode == 0  # as on RHEL, xinetd runs without that service
    assert "nosuchuser" in done.stderr or "many" in done.stderr
    assert sockets(v0, 23) == set()
    assert run_in_host(v0, ["systemctl", "stop", "xinetd"]).returncode == 0
    assert run_in_host(v0, ["systemctl", "is-active", "xinetd"]).returncode == 3


def test_who_is_who(v0: Host) -> None:
    said = run_in_host(v0, ["id", "lisi"]).stdout + run_in_host(v0, ["id", "student"]).stdout
    assert "uid=1000(lisi) gid=1000(lisi)" in said and "uid=1001(student) gid=1001(student)" in said
    assert run_in_host(v0, ["id", "-u", "named"]).stdout == "25\n"
    assert run_in_host(v0, ["stat", "-c", "%a %U", "/home/student"]).stdout == "750 student\n"
    assert "student:*:" in v0.read("/etc/shadow")
    assert run_in_host(v0, ["sh", "-c", "ls /etc/ssh/ssh_host_*"]).stdout == ""
    assert run_in_host(v0, ["ls", "/etc/xinetd.d"]).stdout == "telnet\n"
    assert run_in_host(v0, ["which", "named-checkconf"]).stdout == "/usr/sbin/named-checkconf\n"
