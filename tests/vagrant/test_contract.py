"""The provider contract's own tests, unchanged, on virtual machines that libvirt runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labgrader.providers import vagrant
from labgrader.providers.vagrant.box import Boxes
from tests.contract.labs import Up, running
from tests.contract.test_isolation import *  # noqa: F403 - the tests themselves
from tests.contract.test_life import *  # noqa: F403
from tests.contract.test_limits import *  # noqa: F403
from tests.contract.test_probes import *  # noqa: F403
from tests.vagrant.conftest import Hypervisor


@pytest.fixture(scope="module")
def provider(
    libvirt: Hypervisor, box: Boxes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[vagrant.VagrantProvider]:
    """The provider in this process, with a state folder of its own; its machines are removed at the end."""
    assert Path(box.libvirt).is_file()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in libvirt.environment.items():
            patch.setenv(name, value)
        patch.setenv("LABGRADER_BOX", "built")
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        chosen = vagrant.VagrantProvider()
        chosen.prepare()
        yield chosen
        vagrant.remove_kept(None)
        assert vagrant.kept() == []


@pytest.fixture(scope="module")
def up(provider: vagrant.VagrantProvider) -> Iterator[Up]:
    """One lab for all tests that leave it as they found it."""
    with running(provider) as lab:
        yield lab
