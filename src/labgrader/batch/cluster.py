"""The way to a Dask cluster: `lab grade … --scheduler ADDRESS`."""

from __future__ import annotations

import asyncio
import logging
import socket
import urllib.parse
from typing import TYPE_CHECKING

from labgrader.batch.cluster_jobs import words
from labgrader.batch.work import Setting
from labgrader.errors import LabError, UsageError
from labgrader.printable import printable

if TYPE_CHECKING:
    from distributed.security import Security

    from labgrader.batch.cluster_executor import Cluster

CONNECT_S = 5.0


def connect(address: str, setting: Setting) -> Cluster:
    """The cluster whose scheduler is at `address`, such as tcp://head:8786, with at least one good worker.

    Raises UsageError for an address that is none and where the library is missing, LabError if the scheduler
    cannot be reached or has no worker that can grade.
    """
    try:
        from distributed import Client

        from labgrader.batch.cluster_executor import ASK_S, Cluster
    except ImportError as error:
        raise UsageError(
            "--scheduler needs the library distributed, which is not in this environment: call ./lab, which "
            "installs it, or install labgrader[cluster]."
        ) from error
    place = _place(address)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    security = _security(address)
    try:
        # First without a Client, which goes on trying where nobody listens and waits for who says nothing.
        socket.create_connection(place, CONNECT_S).close()
        kind = asyncio.run(asyncio.wait_for(_kind(address, security), CONNECT_S))
        if kind != "Scheduler":
            raise UsageError(
                f"--scheduler {address}: that is a {printable(kind)} of Dask's, not a scheduler."
            )
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_S, set_as_default=False, security=security
        )
    except (OSError, TimeoutError, RuntimeError, ValueError, TypeError) as error:
        why = "it does not answer" if isinstance(error, TimeoutError) else words(error)
        raise LabError(
            f"The scheduler at {address} cannot be reached: {why}. See that it runs there, and that this "
            f"machine may connect to it."
        ) from error
    try:
        cluster = Cluster(client, address, setting)
    except BaseException:
        client.close(timeout=ASK_S)  # type: ignore[no-untyped-call]
        raise
    try:
        cluster.wait_for_workers()
    except BaseException:
        cluster.shutdown()
        raise
    return cluster


def _place(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("tcp", "tls"):
        raise UsageError(
            f"--scheduler {address}: that is no address; write it as tcp://HOST:8786 or tls://HOST:8786."
        )
    return host, port


def _security(address: str) -> Security:
    """The certificates that Dask's settings name."""
    from distributed.security import Security

    security = Security()  # type: ignore[no-untyped-call]
    try:
        known = security.get_connection_args("client").get("ssl_context")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(f"distributed.comm.tls in Dask's settings: {words(error)}.") from error
    if known is None and address.startswith("tls:"):
        raise UsageError(
            f"--scheduler {address} takes a certificate of this machine: name it by distributed.comm.tls in "
            f"Dask's settings (docs/scaling.md)."
        )
    return security


async def _kind(address: str, security: Security) -> str:
    """What the other side says that it is."""
    from distributed.core import rpc

    arguments = security.get_connection_args("client")  # type: ignore[no-untyped-call]
    async with rpc(address, timeout=CONNECT_S, connection_args=arguments) as other:  # type: ignore[no-untyped-call]
        return str((await other.identity())["type"])
