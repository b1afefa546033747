"""Every lab is proven: reference, empty submission and each mutant; and the reference again and again."""

from __future__ import annotations

import os
from concurrent.futures import Future

import pytest

from labgrader.model import spec
from labgrader.pool import workers
from labgrader.prove import makers, prove
from tests.labs.conftest import WORKERS
from tests.labs.grading import Graded, grade_program, told

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
MUTANTS = {"tcp-server": 15, "network-services": 25}
# A proof of all of network-services takes minutes; each fifth by name touches every file that can be
# handed in. LABGRADER_ALL_MUTANTS=1 takes them all, as `./lab prove` does.
EVERY = {"network-services": 1 if "LABGRADER_ALL_MUTANTS" in os.environ else 5}
RUNS = 16


@pytest.mark.parametrize("name", spec.lab_names())
def test_a_lab_is_proven(machine: None, name: str) -> None:
    lab = spec.find(name)
    findings = prove(
        lab, spec.parameters(lab, {}), makers(["netns"]), jobs=WORKERS, repeats=2, every=EVERY.get(name, 1)
    )
    assert [f"{finding.name}: {finding.message}" for finding in findings if not finding.holds] == []
    names = [finding.name for finding in findings]
    assert len([item for item in names if item.startswith("mutant ")]) >= MUTANTS[name]
    assert len([item for item in names if item.startswith("reference")]) == 2
    assert names.count("empty submission") == 1


def test_the_reference_has_full_marks_every_time_and_leaves_nothing(machine: None) -> None:
    reference = spec.find("tcp-server").folder / "reference"
    with workers(WORKERS) as pool:
        futures: list[Future[Graded]] = [
            pool.submit(grade_program, "tcp-server", reference, seed) for seed in range(RUNS)
        ]
        results = [future.result() for future in futures]
    assert [told(one.report) for one in results if one.report.score != 100.0] == []
    assert [one.remains for one in results if one.remains] == []
    assert [len(one.labs) for one in results] == [1] * RUNS
