"""Right programs score full marks, hostile ones get what they deserve, and nothing is left of either."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from labgrader.develop.class_answers import expected
from labgrader.model import spec
from labgrader.model.results import Status
from tests.labs.conftest import WORKERS, Grade
from tests.labs.grading import grade_program, lost, told

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]


SUBMISSIONS = Path(__file__).parents[1] / "submissions"
ACCEPTED = sorted((SUBMISSIONS / "accepted").glob("*.py"))
ACCEPTED_NETWORK = sorted(path for path in (SUBMISSIONS / "accepted-network").iterdir() if path.is_dir())
HOSTILE = [
    *sorted((SUBMISSIONS / "hostile").glob("*.py")),
    *sorted((SUBMISSIONS / "cheats").glob("*.py")),
]
JOBS = [
    *(("tcp-server", path) for path in (*ACCEPTED, *HOSTILE)),
    *(("network-services", path) for path in ACCEPTED_NETWORK if "network-services" in spec.lab_names()),
]


def _name(value: object) -> str | None:
    return value.stem if isinstance(value, Path) else None


def _jobs(paths: list[Path]) -> list[tuple[str, Path]]:
    return [job for job in JOBS if job[1] in paths]


@pytest.mark.parametrize(("lab_name", "program"), _jobs(ACCEPTED + ACCEPTED_NETWORK), ids=_name)
def test_a_right_one_has_full_marks(graded: Grade, lab_name: str, program: Path) -> None:
    one = graded(lab_name, program)
    assert (one.report.score, one.report.full_marks) == (100.0, True), told(one.report)
    assert (len(one.labs), one.remains) == (1, ()), told(one.report)


@pytest.mark.parametrize(("lab_name", "program"), _jobs(HOSTILE), ids=_name)
def test_a_hostile_one_gets_what_it_deserves(graded: Grade, lab_name: str, program: Path) -> None:
    owed = expected(program)
    one = graded(lab_name, program)
    assert one.report.status is Status.GRADED, told(one.report)
    wall_s = sum(one.report.timings.values())
    assert wall_s <= spec.find(lab_name).limits.wall_s
    assert one.remains == ()
    assert len(one.labs) == 1, "it was tried twice"
    if owed is not None:
        wanted = {"fails": list(owed.fails), "blocked": list(owed.blocked)}
        assert lost(one.report) == wanted, told(one.report)


@pytest.mark.parametrize(
    ("lab_name", "program"), _jobs([SUBMISSIONS / "hostile" / "keeps_shared_memory.py"]), ids=_name
)
def test_shared_memory_of_one_start_is_gone_at_the_next(graded: Grade, lab_name: str, program: Path) -> None:
    texts = [item.text for check in graded(lab_name, program).report.checks for item in check.evidence]
    seen = [re.search(r"left from before: (\d+) made now: (\d+)", text) for text in texts]
    counts = [(int(match[1]), int(match[2])) for match in seen if match]
    assert len(counts) >= 7
    assert {left for left, _ in counts} == {0}
    assert all(0 < made <= 100 for _, made in counts)


@pytest.mark.parametrize(
    ("lab_name", "program"), _jobs([SUBMISSIONS / "hostile" / "makes_a_namespace_of_its_own.py"]), ids=_name
)
def test_a_program_makes_no_user_namespace(graded: Grade, lab_name: str, program: Path) -> None:
    texts = [item.text for check in graded(lab_name, program).report.checks for item in check.evidence]
    assert any("unshare: -1" in text for text in texts)
    assert not any("unshare: 0" in text for text in texts)


@pytest.mark.parametrize(
    ("lab_name", "program"), _jobs([SUBMISSIONS / "hostile" / "memory_eater.py"]), ids=_name
)
def test_the_machine_is_well_afterwards(graded: Grade, lab_name: str, program: Path) -> None:
    graded(lab_name, program)
    deadline = time.monotonic() + 30
    while _available_mb() < 512:
        assert time.monotonic() < deadline, "the memory did not come back"
        time.sleep(0.1)
    own = os.environ["XDG_RUNTIME_DIR"]
    # Those that the workers grade just now.
    assert len(list(Path(own).glob("labgrader/????????"))) <= WORKERS


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "It ended by signal 11 (SIGSEGV) without listening on TCP port 11200."),
        (
            signal.SIGKILL,
            (
                "It ended by signal 9 (SIGKILL) without listening on TCP port 11200. "
                "That is what happens to a program that takes more memory than it may have, 48 MB."
            ),
        ),
    ],
)
def test_an_end_by_a_signal_is_explained(
    machine: None, tmp_path: Path, number: signal.Signals, words: str
) -> None:
    path = tmp_path / "killed.py"
    path.write_text(f"import os\n\nos.kill(os.getpid(), {number:d})\n")
    report = grade_program("tcp-server", path).report
    assert report.checks[0].message == words, told(report)


def _available_mb() -> int:
    text = Path("/proc/meminfo").read_text()
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1]) // 1024
