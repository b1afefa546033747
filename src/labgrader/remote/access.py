"""How a host is reached: what a provider hands out, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """The way in to one host: a Unix socket path or (address, port), and the keys of both sides.

    `host_key` is the one public key accepted ("ssh-ed25519 AAAA…"), `client_key` the lab's private key
    in OpenSSH's format.
    """

    host: str
    user: str
    host_key: str
    client_key: str
    socket_path: str | None = None
    address: str | None = None
    port: int = 22


@dataclass(frozen=True)
class Lease:
    """A lab that is up: its id, the way in to each host, which limits hold by what, what made the hosts."""

    lab_id: str
    provider: str
    hosts: Mapping[str, Access]
    held: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
