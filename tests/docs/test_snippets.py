"""The probes' examples are run: each as a check of network-services, on the reference."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks

SNIPPETS = [block for page in PAGES for block in blocks(page) if block.mark("snippet") is not None]
CHECK = '''
@pytest.mark.points({points})
def test_line_{line}(gw, v0, v1, parameters):
    """The example in line {line}."""
{body}
'''


@pytest.mark.namespaces
def test_snippets_do_what_they_say(tmp_path: Path) -> None:
    lab = tmp_path / "labs" / "network-services"
    shutil.copytree(
        ROOT / "labs" / "network-services", lab, ignore=shutil.ignore_patterns("mutants", "checks")
    )
    (tmp_path / "templates").symlink_to(ROOT / "templates")
    (lab / "checks").mkdir()
    text = "import pytest\n" + "".join(
        CHECK.format(points=1, line=block.line, body=textwrap.indent(block.text, "    "))
        for block in SNIPPETS
    )
    (lab / "checks" / "test_snippets.py").write_text(text, encoding="utf-8")
    spec = (lab / "lab.yaml").read_text(encoding="utf-8")
    (lab / "lab.yaml").write_text(re.sub("points: 100", f"points: {len(SNIPPETS)}", spec), encoding="utf-8")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", "check", str(lab), "reference", "--json", str(report)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    checks = json.loads(report.read_text(encoding="utf-8"))["checks"] if report.exists() else []
    told = [f"{check['id']}: {check['message']}" for check in checks if check["outcome"] != "pass"]
    assert done.returncode == 0, (told, done.stderr)
    assert len(checks) == len(SNIPPETS) >= 7
