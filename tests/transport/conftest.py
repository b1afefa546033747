from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labgrader.remote.transport import Connection
from tests.transport.ssh_server import SshServer


@pytest.fixture
def server() -> Iterator[SshServer]:
    """An SSH server of a host called v0."""
    # A Unix socket's path is short.
    with tempfile.TemporaryDirectory(prefix="lg-", dir="/tmp") as folder:
        one = SshServer(Path(folder))
        yield one
        one.close()


@pytest.fixture
def connection(server: SshServer) -> Iterator[Connection]:
    with Connection(server.access) as one:
        yield one
