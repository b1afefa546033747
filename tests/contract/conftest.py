from __future__ import annotations

from collections.abc import Iterator

import pytest

from labgrader import providers
from labgrader.providers import Provider
from tests.contract.labs import Up, running


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=pytest.mark.namespaces) for name in providers.NAMES]
)
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each provider that there is; whether it can be used here is for its marker to say."""
    chosen = providers.provider(request.param)
    chosen.prepare()
    return chosen


@pytest.fixture(scope="session")
def up(provider: Provider) -> Iterator[Up]:
    """One lab for all tests that leave it as they found it."""
    with running(provider) as lab:
        yield lab
