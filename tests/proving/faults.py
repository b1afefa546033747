"""Providers with a fault: real namespaces, in which something true of all machines is not true of these."""

from __future__ import annotations

from labgrader.errors import LabError
from labgrader.model.limits import Limits
from labgrader.model.topology import Topology
from labgrader.providers.groundwork import Groundwork
from labgrader.providers.netns import NamespaceLab, NamespaceProvider
from labgrader.remote.access import Lease
from labgrader.remote.transport import Connection

NO_TIME_WAIT = "echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets"


class _Lab:
    def __init__(self, lab: NamespaceLab) -> None:
        self._lab = lab

    def ready(self) -> Lease:
        lease = self._lab.ready()
        with Connection(lease.hosts["v0"]) as connection:
            done = connection.run(NO_TIME_WAIT)
            assert done.exit == 0, done
        return lease

    def destroy(self) -> None:
        self._lab.destroy()


class Forgetful(NamespaceProvider):
    """V0's kernel keeps no TIME_WAIT, so that a server without SO_REUSEADDR can be started again at once."""

    name = "forgetful"

    def start(  # type: ignore[override]
        self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None
    ) -> _Lab:
        return _Lab(super().start(topology, limits, groundwork))


class _NeverUp(_Lab):
    def ready(self) -> Lease:
        self._lab.ready()
        raise LabError("The machines went away again.")


class Failing(NamespaceProvider):
    """Its machines come up, and are of no use."""

    name = "failing"
    default_jobs = 1

    def start(  # type: ignore[override]
        self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None
    ) -> _Lab:
        return _NeverUp(super().start(topology, limits, groundwork))
