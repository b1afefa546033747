"""What a provider that keeps machines is asked to do to them once, before their snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labgrader.remote.access import Access


class Groundwork(Protocol):
    """What of a lab depends on no submission.

    A provider may leave it out: whoever gets the lease does whatever of it was not done.
    """

    def digest(self) -> str:
        """Tells one groundwork from another: machines with another one are none for this lab."""

    def lay(self, hosts: Mapping[str, Access]) -> None:
        """Do it on the hosts, and leave no connection or process of the grader's behind."""
