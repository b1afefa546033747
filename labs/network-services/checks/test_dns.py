"""gw's named and the two resolvers, judged by answers that machines of ours receive."""

import contextlib
import secrets

import dns.exception
import dns.message
import pytest

from labgrader.checking import frames
from labgrader.checking.dns_probe import ask, rcode, texts
from labgrader.checking.probes import Unreached
from labgrader.checking.verdicts import blocked, fail
from labgrader.errors import LabError
from labgrader.printable import printable

ADDRESSES = ("127.0.0.1", "192.168.0.254", "192.168.1.254")
UPLINK = "114.114.114.1"
RESOLVER = "114.114.114.114"
BAIDU = {"14.215.177.38", "14.215.177.39"}
OWN_ANSWER = "Look in named.conf for a zone, or a forwarder of its own, that covers this name."
SLOW_S = 8.0  # a forwarder that does not answer takes named some seconds to give up


def answers(host, server, *, tcp=False):
    """Whether anything answers DNS at `server`, be it a refusal."""
    with contextlib.suppress(Unreached):
        ask(host, server, "localhost", tcp=tcp, recurse=False, timeout_s=2.0)
        return True
    return False


def named_said(gw):
    """What named itself said, as evidence and as the end of a sentence."""
    named = gw.services["named"]
    if named.ok:
        return ""
    gw.notebook.add("gw: systemctl restart named", named.said)
    # named names the file and the line; of several complaints the first is the cause of the others.
    lines = [line.strip() for line in named.said.splitlines() if ".conf:" in line]
    return f" named did not start: {printable(lines[0], 200)}." if lines else " named did not start."


@pytest.mark.points(
    10,
    hint="listen-on port 53 { 127.0.0.1; 192.168.0.254; 192.168.1.254; }; — "
    "named-checkconf shows where a line is wrong.",
)
def test_named_listens(gw, upstream):
    """named answers on 127.0.0.1, 192.168.0.254 and 192.168.1.254, over UDP and TCP, and nowhere else."""
    gw.evidence("ss -lntu 'sport = 53'", "ss", "-lntu", "sport = 53")
    silent = []
    for address in ADDRESSES:
        lacking = [kind for kind, tcp in (("UDP", False), ("TCP", True)) if not answers(gw, address, tcp=tcp)]
        if lacking:
            silent.append(f"{address} ({' and '.join(lacking)})")
    if silent:
        fail(f"Nothing answers DNS on {', '.join(silent)}.{named_said(gw)}")
    if not upstream.ping(UPLINK):
        raise LabError(f"The internet's side does not reach gw on {UPLINK}, which is ours.")
    listed = {s.address for s in gw.sockets() if s.port == 53 and s.proto in ("tcp", "udp")}
    more = listed - set(ADDRESSES)
    if answers(upstream, UPLINK) or answers(upstream, UPLINK, tcp=True):
        more.add(UPLINK)
    if more:
        wanted = ", ".join(ADDRESSES)
        fail(f"named also listens on {', '.join(sorted(more))}; it must listen on {wanted} only.")


@pytest.mark.points(
    8, after=["named_listens"], hint="forwarders { 114.114.114.114; }; recursion yes; dnssec-validation no;"
)
def test_named_forwards(gw):
    """Names of the outside world are answered through 114.114.114.114."""
    server = next((address for address in ADDRESSES if answers(gw, address)), None)
    if server is None:
        blocked("named_listens", "named answers on none of its addresses.")
    name = f"{secrets.token_hex(6)}.forwarder-probe.com"
    try:
        reference = ask(gw, RESOLVER, f"control-{name}", "TXT")
    except Unreached as problem:
        raise LabError(
            f"gw does not get an answer from {RESOLVER}, which is ours: {problem.reason}."
        ) from problem
    if texts(reference, "TXT") != {"forwarded"}:
        raise LabError(f"{RESOLVER}, which is ours, answers wrongly.")
    try:
        answer = ask(gw, server, name, "TXT", timeout_s=SLOW_S)
    except Unreached as problem:
        fail(f"named at {server} gave no answer for an outside name ({problem.reason}).")
    gw.notebook.add(f"gw: answer of {server} for {name} TXT", str(answer))
    said = texts(answer, "TXT")
    if said == {"forwarded"}:
        return
    if said == {"walked"}:
        fail(f"named found the answer by walking down from the root itself, without asking {RESOLVER}.")
    if rcode(answer) == "REFUSED":
        fail("named refused to look an outside name up, even for gw itself: see recursion and allow-query.")
    if rcode(answer) == "SERVFAIL":
        fail(
            "named tried to look an outside name up and failed (SERVFAIL): "
            "it got no answer, or none that it accepts."
        )
    fail(f"named answered an outside name with {rcode(answer)} and without the text that {RESOLVER} gives.")


@pytest.mark.points(
    8,
    after=["v0_addresses", "named_listens", "named_forwards"],
    hint="V0's /etc/resolv.conf: nameserver 192.168.0.254 (not 1.254).",
)
def test_v0_resolves(v0, gw, passed, needs_eth0):
    """V0 looks up www.baidu.com and ntp.aliyun.com through 192.168.0.254."""
    needs_eth0()
    server = "192.168.0.254"
    if not answers(gw, server):
        blocked("named_listens", f"{server} does not answer at all.")
    v0.evidence("cat /etc/resolv.conf", "cat", "/etc/resolv.conf")
    seen = {name: _look_up_on_v0(v0, gw, server, name) for name in ("www.baidu.com", "ntp.aliyun.com")}
    for name, answer in seen.items():
        _judge(name, answer, server, "V0", passed)


@pytest.mark.points(
    8, after=["named_listens", "named_forwards"], hint="allow-query must hold for 192.168.1.0/24 as well."
)
def test_v1_resolves(v1, gw, passed):
    """V1 looks up www.baidu.com and ntp.aliyun.com through 192.168.1.254."""
    server = "192.168.1.254"
    if not v1.ping(server):
        raise LabError(f"V1 does not reach gw on {server}, which is ours.")
    if not answers(v1, server):
        blocked("named_listens", f"{server} does not answer at all.")
    for name in ("www.baidu.com", "ntp.aliyun.com"):
        try:
            answer = ask(v1, server, name, timeout_s=SLOW_S)
        except Unreached:
            answer = None
        if answer is not None:
            v1.notebook.add(f"V1: answer of {server} for {name}", str(answer))
        _judge(name, answer, server, "V1", passed)


def _look_up_on_v0(v0, gw, server, name):
    """Have V0 look `name` up by its own resolv.conf, and return the answer that gw sees pass on eth0.

    What V0 shows is evidence; that it asked 192.168.0.254, and what it was answered, gw has seen itself.
    """
    with gw.capture("eth0") as capture:
        _status, shown = v0.run(
            "dig", "+tries=1", "+time=6", "+noall", "+answer", "+comments", "+stats", name, check=False
        )
        packets = [frames.parse(frame) for frame in capture.frames()]
    v0.notebook.add(f"V0: dig {name}", shown)
    asked = {p.destination for p in packets if p and p.source == "192.168.0.10" and p.destination_port == 53}
    if server not in asked:
        used = next(
            (line.split(":", 1)[1].strip() for line in shown.splitlines() if line.startswith(";; SERVER")),
            None,
        )
        if used:
            fail(f"V0 asked {printable(used.split('#')[0], 40)} for {name}; it must ask {server}.")
        if asked:
            fail(f"V0 asked {' and '.join(sorted(asked))} for {name}; it must ask {server}.")
        fail(f"V0 looked up {name} and did not ask {server}, as its /etc/resolv.conf must make it do.")
    for packet in packets:
        if packet and (packet.source, packet.source_port, packet.destination) == (server, 53, "192.168.0.10"):
            with contextlib.suppress(dns.exception.DNSException):
                return dns.message.from_wire(packet.payload)
    return None


def _judge(name, answer, server, who, passed):
    """Fail with what was wrong in an answer, or blocked by named_forwards where that explains it."""
    if answer is not None and rcode(answer) == "NOERROR":
        addresses = texts(answer, "A")
        if name == "www.baidu.com" and addresses == BAIDU and texts(answer, "CNAME") == {"www.a.shifen.com"}:
            return
        if name == "ntp.aliyun.com" and addresses == {"203.107.6.88"}:
            return
    if not passed("named_forwards"):
        blocked("named_forwards", f"{server} does not look up {name}.")
    if answer is None:
        fail(f"{server} gave {who} no answer for {name}.")
    if rcode(answer) == "REFUSED":
        fail(
            f"{server} refuses to answer {who}: "
            f"allow-query (or allow-recursion) in named.conf does not let {who}'s network in.",
            hint="allow-query { localhost; 192.168.0.0/24; 192.168.1.0/24; }; and allow-recursion the same.",
        )
    if rcode(answer) != "NOERROR":
        fail(f"{server} answered {who}'s question for {name} with {rcode(answer)}.", hint=OWN_ANSWER)
    found = sorted(texts(answer, "CNAME") | texts(answer, "A"))
    fail(
        f"{server} answered {who}'s question for {name} with {', '.join(found) or 'nothing'}, "
        "which is not its address.",
        hint=OWN_ANSWER,
    )
