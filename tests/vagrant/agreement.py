"""One lab proven on namespaces and on virtual machines: each of its mutants, or a sample."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.vagrant.test_provider import Lab

TOP = Path(__file__).resolve().parents[2]
HOURS_S = 4 * 3600.0
EVERY = {"tcp-server": 30, "network-services": 61}
ALL = "LABGRADER_ALL_MUTANTS" in os.environ


def agree(lab: Lab, name: str, tmp_path: Path) -> None:
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
