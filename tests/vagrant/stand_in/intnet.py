"""Internal networks as Linux bridges of the network namespace that the call runs in.

A card's end is a tap device that lives as long as the QEMU that has it open, so that a killed one leaves
none. A bridge goes with its last card, at the next call that starts or ends a machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.vagrant.stand_in import store

PREFIX = "vbi"
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_VNET_HDR = 0x4000
IFF_NO_PI = 0x1000


def bridge_name(network: str) -> str:
    """The bridge of an internal network; an interface's name has at most fifteen bytes."""
    return PREFIX + hashlib.sha256(os.fsencode(store.home()) + b"\0" + network.encode()).hexdigest()[:10]


@contextlib.contextmanager
def plugged(networks: dict[str, str]) -> Iterator[dict[str, int]]:
    """Open taps on bridges: of {tap: network}, {tap: descriptor}, to be handed to a QEMU in the block."""
    taps: dict[str, int] = {}
    try:
        with store.locked(store.home() / "networks.lock"):
            for tap, network in networks.items():
                bridge = bridge_name(network)
                if not _there(bridge):
                    # It forwards at once, remembers no group, and says nothing of its own.
                    _ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
                    _ip("link", "set", bridge, "alias", f"intnet {network}")
                    _quiet(bridge)
                    _ip("link", "set", bridge, "up")
                taps[tap] = _open_tap(tap)
                _quiet(tap)
                _ip("link", "set", tap, "master", bridge, "up")
        yield taps
    finally:
        for descriptor in taps.values():
            os.close(descriptor)


def prune() -> None:
    """Remove every bridge of ours that has no card left."""
    with store.locked(store.home() / "networks.lock"):
        for bridge in _links("type", "bridge"):
            if bridge.startswith(PREFIX) and not _links("master", bridge) and _is_ours(bridge):
                _ip("link", "del", bridge)


def _is_ours(bridge: str) -> bool:
    networks = {nic.network for machine in store.machines() for nic in machine.settings.nics.values()}
    if bridge in map(bridge_name, networks):
        return True
    # Its machines are gone; the name still tells whose it was.
    alias = json.loads(_ip("-j", "link", "show", bridge))[0].get("ifalias", "")
    return bridge == bridge_name(alias.removeprefix("intnet "))


def _open_tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    try:
        request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
        fcntl.ioctl(descriptor, TUNSETIFF, request)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _quiet(interface: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")


def _there(interface: str) -> bool:
    return subprocess.run(["ip", "link", "show", interface], capture_output=True).returncode == 0


def _links(*words: str) -> list[str]:
    # Without any, some versions print an empty object.
    return [link["ifname"] for link in json.loads(_ip("-j", "link", "show", *words) or "[]") if link]


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise store.Refused(f"ip {' '.join(words)}: {done.stderr.strip()}", code=store.FAILURE)
    return done.stdout
