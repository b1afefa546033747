"""The same verdicts from namespaces and from virtual machines, for references and mutants.

A sample in every run; all mutants with LABGRADER_ALL_MUTANTS=1, which takes an hour or two under emulation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vagrant.agreement import ALL, EVERY, agree
from tests.vagrant.test_provider import Lab, lab  # noqa: F401 - a fixture


# The sample of network-services is taken in test_provider.py, while its machines are there.
@pytest.mark.parametrize("lab", ["libvirt"], indirect=True)
@pytest.mark.parametrize("name", list(EVERY) if ALL else ["tcp-server"])
def test_providers_agree(lab: Lab, name: str, tmp_path: Path) -> None:  # noqa: F811
    agree(lab, name, tmp_path)
