"""What of a lab depends on no submission: laid once on machines that are kept, before their snapshot."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from labgrader.model.spec import Lab
from labgrader.model.topology import Topology
from labgrader.remote.access import Access

if TYPE_CHECKING:  # it loads jinja2, which the grader has no other need of
    from labgrader.model.render import RenderedFile


class LabGroundwork:
    """The early services of a lab with their files, as `providers.groundwork.Groundwork` asks for it.

    Nothing is rendered or loaded before a provider asks: one that keeps no machines never does.
    """

    def __init__(self, lab: Lab, topology: Topology, parameters: Mapping[str, int]) -> None:
        self._lab = lab
        self._topology = topology
        self._parameters = parameters

    @functools.cached_property
    def services(self) -> dict[str, tuple[str, ...]]:
        """The names of the early services of each host that has any."""
        early = {
            name: tuple(service for service, rule in host.services.items() if rule.early)
            for name, host in self._lab.hosts.items()
        }
        return {name: services for name, services in early.items() if services}

    @functools.cached_property
    def files(self) -> list[RenderedFile]:
        """The lab's own files of those hosts, without those of a service that is not early."""
        if not self.services:
            return []
        from labgrader.model.render import given_files

        return [
            file
            for file in given_files(self._lab, self._topology, self._parameters)
            if file.service in (None, *self.services.get(file.host, ())) and file.host in self.services
        ]

    def digest(self) -> str:
        """A digest of all that `lay` does; raises SpecError for a template that cannot be rendered."""
        return hashlib.sha256(repr((self.services, self.files)).encode()).hexdigest()

    def lay(self, hosts: Mapping[str, Access]) -> None:
        """Put the files on the hosts, start the services; raises LabError and SpecError as `apply` does."""
        from labgrader.apply import lay

        if self.services:
            lay(self._lab, hosts, self.services, self.files)
