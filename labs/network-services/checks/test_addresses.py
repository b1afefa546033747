"""V0's addresses and routes, seen by its neighbours."""

import json

import pytest

from labgrader.checking import frames
from labgrader.checking.verdicts import fail
from labgrader.errors import LabError
from labgrader.printable import printable

WANTED = {"eth0": "192.168.0.10/24", "eth1": "192.168.1.10/24"}


@pytest.mark.points(
    8, hint="Look at IPADDR and NETMASK (or PREFIX), DEVICE and ONBOOT, then systemctl restart network."
)
def test_v0_addresses(v0, gw, v1):
    """V0 has 192.168.0.10/24 on eth0 and 192.168.1.10/24 on eth1, and nothing else."""
    network = v0.services["network"]
    if not network.ok:
        v0.notebook.add("V0: systemctl restart network", network.said)
    v0.evidence("ip -4 -brief address", "ip", "-4", "-brief", "address")
    _status, text = v0.run("ip", "-json", "-4", "address", "show")
    found = {
        link["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", [])]
        for link in json.loads(text)
        if link["ifname"] != "lo"
    }
    wrong = []
    for interface, address in WANTED.items():
        have = found.pop(interface, [])
        if have == [address]:
            continue
        if not have:
            wrong.append(f"{interface} has no address; it must have {address}{_said(network, interface)}")
        elif address in have:
            wrong.append(f"{interface} has {' and '.join(a for a in have if a != address)} besides {address}")
        else:
            wrong.append(f"{interface} has {' and '.join(have)} instead of {address}")
    wrong += [f"{interface} has {' and '.join(have)}" for interface, have in found.items() if have]
    if wrong:
        fail(f"On V0, {'; '.join(wrong)}.")
    for vantage, address in ((gw, "192.168.0.10"), (v1, "192.168.1.10")):
        if not vantage.ping(address):
            fail(f"V0 has {address}, but does not answer {vantage} there.")


@pytest.mark.points(
    5,
    after=["v0_addresses"],
    hint="GATEWAY=192.168.0.254 belongs in ifcfg-eth0, and no GATEWAY in ifcfg-eth1.",
)
def test_v0_default_route(v0, gw, needs_eth0):
    """V0 reaches the rest of the world through 192.168.0.254 on eth0."""
    needs_eth0()
    if not gw.ping("114.114.114.114"):
        raise LabError("gw does not reach 114.114.114.114, which is ours.")
    v0.evidence("ip route", "ip", "route")
    with gw.capture("eth0") as capture:
        answered = v0.ping("114.114.114.114", timeout_s=1.0)
        seen = [frames.parse(frame) for frame in capture.frames()]
    if any(
        p and (p.source, p.destination, p.protocol) == ("192.168.0.10", "114.114.114.114", frames.ICMP)
        for p in seen
    ):
        if not answered:
            fail("V0 sends to the world through 192.168.0.254, but the answers do not come back to it.")
        return
    _status, text = v0.run("ip", "-json", "route", "show", "default")
    routes = [f"via {r.get('gateway', 'no gateway')} on {r['dev']}" for r in json.loads(text)]
    if not routes:
        fail("V0 has no default route; it must be via 192.168.0.254 on eth0.")
    fail(f"V0's default route is {' and '.join(routes)}; it must be via 192.168.0.254 on eth0.")


@pytest.mark.points(5, after=["v0_addresses"], hint="Both are in 192.168.1.0/24, on eth1.")
def test_v0_reaches_v1(v0, v1, gw, needs_eth1):
    """V0 and V1 reach each other on 192.168.1.0/24."""
    if not gw.ping("192.168.1.11"):
        raise LabError("V1 does not answer gw on 192.168.1.11, which is ours.")
    needs_eth1()
    if not v0.ping("192.168.1.11"):
        fail("V1 reaches V0, but V0 gets no answer from 192.168.1.11.")


def _said(network, interface):
    """What ifup itself said of the interface's file, else of the interface, as the end of a sentence."""
    said = [line.strip() for line in network.said.splitlines()]
    lines = [line for line in said if f"ifcfg-{interface}:" in line]
    lines += [line for line in said if interface in line]
    return f" ({printable(lines[0], 200).rstrip('.')})" if lines else ""
