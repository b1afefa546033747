"""Providers make hosts exist and hand out a way to SSH in; nothing else depends on which one it was."""

from __future__ import annotations

import difflib
from typing import Protocol

from labgrader.errors import UsageError
from labgrader.model.limits import Limits
from labgrader.model.topology import Topology
from labgrader.providers.groundwork import Groundwork
from labgrader.remote.access import Lease

NAMES = ("netns", "vagrant")


class RunningLab(Protocol):
    """A lab that a provider is bringing up or has up."""

    def ready(self) -> Lease:
        """Wait until every host can be logged in to; LabError if that fails."""

    def destroy(self) -> None:
        """End the lab; safe to call twice and after a failed start.

        Nothing of it remains, but where machines are dear to make: these may be kept for the next lab of the
        same kind, which finds no trace of this one in them.
        """


class Provider(Protocol):
    """Makes labs. `start` returns at once, so that the caller may do other things until `ready`."""

    name: str

    def prepare(self) -> None:
        """Make, once for this machine, what labs need (an image, a box). Raises LabError."""

    def start(
        self, topology: Topology, limits: Limits, groundwork: Groundwork | None = None
    ) -> RunningLab: ...

    def clean(self) -> list[str]:
        """Remove what killed runs left behind and return a line for each thing removed."""


def provider(name: str) -> Provider:
    """The provider called `name`; UsageError with the known ones otherwise."""
    if name == "netns":
        from labgrader.providers.netns import NamespaceProvider

        return NamespaceProvider()
    if name == "vagrant":
        from labgrader.providers.vagrant import VagrantProvider

        return VagrantProvider()
    near = difflib.get_close_matches(name, NAMES, n=1)
    raise UsageError(
        f"There is no provider {name!r}"
        + (f"; did you mean {near[0]}?" if near else f" (there are: {', '.join(NAMES)}).")
    )
