from __future__ import annotations

from collections.abc import Iterator

import pytest

from labgrader import providers
from labgrader.providers import Provider
from tests.contract.labs import Up, running


@pytest.fixture(scope="session", params=[pytest.param("netns", marks=pytest.mark.namespaces)])
def provider(request: pytest.FixtureRequest) -> Provider:
    """The provider that can be tried everywhere; tests/vagrant/test_contract.py tries the other."""
    chosen = providers.provider(request.param)
    chosen.prepare()
    return chosen


@pytest.fixture(scope="session")
def up(provider: Provider) -> Iterator[Up]:
    """One lab for all tests that leave it as they found it."""
    with running(provider) as lab:
        yield lab
