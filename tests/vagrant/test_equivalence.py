"""The same verdicts from namespaces and from virtual machines, for references and mutants.

A sample in every run; all mutants with LABGRADER_ALL_MUTANTS=1, which takes an hour or two under emulation.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vagrant.test_provider import Lab, lab  # noqa: F401 - a fixture

TOP = Path(__file__).resolve().parents[2]
HOURS_S = 4 * 3600.0
EVERY = {"tcp-server": 30, "network-services": 61}
ALL = "LABGRADER_ALL_MUTANTS" in os.environ


def agree(lab: Any, name: str, tmp_path: Path) -> None:  # noqa: F811
    """Prove the lab on both providers, each of its mutants or a sample."""
    # A copy: what differs is written into the lab's folder.
    shutil.copytree(TOP / "labs" / name, tmp_path / "labs" / name)
    shutil.copytree(TOP / "templates", tmp_path / "templates")
    words = ["prove", str(tmp_path / "labs" / name), "--providers", "netns,vagrant", "--repeats", "1"]
    out, err = lab.run(*words, "--every", str(1 if ALL else EVERY[name]), timeout_s=HOURS_S)
    print(out, err, file=sys.stderr)
    assert not (tmp_path / "labs" / name / "quarantine.yaml").exists()
    held = re.search(r"(\d+) of (\d+) hold", out)
    assert held and held[1] == held[2]


# The sample of network-services is taken in test_provider.py, while its machines are there.
@pytest.mark.parametrize("lab", ["libvirt"], indirect=True)
@pytest.mark.parametrize("name", list(EVERY) if ALL else ["tcp-server"])
def test_providers_agree(lab: Any, name: str, tmp_path: Path) -> None:  # noqa: F811
    agree(lab, name, tmp_path)
