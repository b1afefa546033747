"""The test run itself: a skip cannot pass for a success in CI, and .ci/run cannot for a run without tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SKIPPING = """
import pytest

def test_passes(): pass

@pytest.mark.skip(reason="{reason}")
def test_by_mark(): pass

def test_by_call(): pytest.skip("{reason}")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure(): assert False
"""


def inner(folder: Path, text: str, ci: str | None) -> subprocess.CompletedProcess[str]:
    """Runs pytest over `text` with this project's conftest, as CI does or (None) as a person does."""
    shutil.copy(REPOSITORY / "tests" / "conftest.py", folder)
    (folder / "test_inner.py").write_text(text)
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": ci} if ci else {})
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-c", "/dev/null", "."],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_skip_fails_in_ci(tmp_path: Path) -> None:
    done = inner(tmp_path, SKIPPING.format(reason="no privilege here"), "true")
    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout
    assert "ERROR test_inner.py::test_by_mark" in done.stdout
    assert "a failure in CI unless the reason begins with 'not applicable:': no privilege here" in done.stdout


def test_a_skip_is_a_skip_for_a_person_and_where_nothing_could_be_tested(tmp_path: Path) -> None:
    done = inner(tmp_path, SKIPPING.format(reason="no privilege here"), None)
    assert (done.returncode, "1 passed, 2 skipped, 1 xfailed" in done.stdout) == (0, True)
    done = inner(tmp_path, SKIPPING.format(reason="not applicable: for root only"), "true")
    assert (done.returncode, "1 passed, 2 skipped, 1 xfailed" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\npytest.skip('nothing here', allow_module_level=True)",
        "import pytest\npytest.importorskip('no_such_module_at_all')",
    ],
)
def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path, text: str) -> None:
    assert inner(tmp_path, text, None).returncode == 5
    assert inner(tmp_path, text, "true").returncode not in (0, 5)


@pytest.mark.namespaces
def test_what_namespaces_need_is_here() -> None:
    """Where it is not, this is skipped with the reason, and fails in CI."""


def ci_run(folder: Path, lint: str, tests: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs .ci/run in a checkout whose ./lab lint and ./lab test are these shell lines."""
    (folder / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", folder / ".ci")
    (folder / "lab").write_text(f"#!/bin/bash\nif [[ $1 == lint ]]; then {lint}\nelse {tests}\nfi\n")
    (folder / "lab").chmod(0o755)
    return subprocess.run(
        [folder / ".ci" / "run", *words], cwd="/", capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("lint", "tests", "status", "last"),
    [
        ("true", "echo '== 3 passed, 1 xfailed in 0.12s =='", 0, "== 3 passed, 1 xfailed in 0.12s =="),
        ("true", "echo '3 passed in 61.00s (0:01:01)'", 0, "3 passed in 61.00s (0:01:01)"),
        ("true", "echo '1 failed, 2 passed in 0.12s'; exit 1", 1, "1 failed, 2 passed in 0.12s"),
        ("exit 4", "echo '3 passed in 0.12s'", 4, "3 passed in 0.12s"),
        ("true", "echo 'no tests ran in 0.01s'; exit 5", 5, "no closing line of pytest was seen"),
        ("true", "echo '2 deselected in 0.01s'", 5, "2 deselected in 0.01s"),
        ("true", "true", 5, "no closing line of pytest was seen"),
        # CI is set, and there is nothing to read.
        ("true", "read -r line || echo \"3 passed in 0.1s $CI\"", 0, "3 passed in 0.1s true"),
    ],
)  # fmt: skip
def test_ci_passes_only_when_tests_passed(
    tmp_path: Path, lint: str, tests: str, status: int, last: str
) -> None:
    done = ci_run(tmp_path, lint, tests, "namespaces")
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == last


def test_ci_runs_the_tests_with_virtual_machines_as_well(tmp_path: Path) -> None:
    tests = "if [[ ${2-} == --vagrant ]]; then echo '1 failed in 0.1s'; exit 1; fi; echo '2 passed in 0.1s'"
    done = ci_run(tmp_path, "true", tests)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["tests with virtual machines: exit status 1", "1 failed in 0.1s"]


def test_ci_takes_no_other_word(tmp_path: Path) -> None:
    done = ci_run(tmp_path, "true", "true", "vagrnat")
    assert done.returncode == 2
    assert "usage: .ci/run [namespaces | vagrant]" in done.stderr
