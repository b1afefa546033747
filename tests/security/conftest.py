from __future__ import annotations

from collections.abc import Iterator

import pytest

from labgrader.providers.netns import NamespaceProvider
from tests.contract.labs import Up, running


@pytest.fixture(scope="session")
def provider() -> NamespaceProvider:
    """The namespace provider, with its image."""
    chosen = NamespaceProvider()
    chosen.prepare()
    return chosen


@pytest.fixture(scope="session")
def up(provider: NamespaceProvider) -> Iterator[Up]:
    """One lab for all tests that leave it as they found it."""
    with running(provider) as lab:
        yield lab


@pytest.fixture(scope="session")
def neighbour(provider: NamespaceProvider) -> Iterator[Up]:
    """Another lab beside it, with the same addresses, as another student's would be."""
    with running(provider) as lab:
        yield lab
