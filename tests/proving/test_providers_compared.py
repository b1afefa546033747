"""Two providers on one lab: what differs is told and quarantined, and comes out when it agrees again."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest

from labgrader import quarantine
from labgrader.errors import UsageError
from labgrader.intake.submission import collect
from labgrader.model import spec
from labgrader.model.results import Outcome, Status
from labgrader.model.spec import Lab
from labgrader.prove import makers, prove
from labgrader.providers import provider
from labgrader.proving.findings import Finding
from labgrader.proving.steps import Maker
from labgrader.reporters.terminal import feedback
from labgrader.runner import Job, file_rules, grade
from tests.proving.conftest import MakeLab
from tests.proving.faults import Failing, Forgetful

pytestmark = [pytest.mark.namespaces, pytest.mark.long, pytest.mark.usefixtures("hosts_image", "own_folders")]
PARAMETERS = {"port": 11200}
BOTH: Mapping[str, Maker] = {**makers(["netns"]), "forgetful": Forgetful}
NAMES = "netns and forgetful"


def of(findings: list[Finding], where: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings if finding.provider == where}


def anew(lab: Lab) -> Lab:
    return spec.load(lab.folder / "lab.yaml")


@pytest.mark.slow
def test_a_check_that_differs_is_told_quarantined_worth_nothing_and_let_out_again(small: MakeLab) -> None:
    lab = small("one")
    findings = prove(lab, PARAMETERS, BOTH, repeats=2)

    own = of(findings, "netns")
    assert len(own) == 5 and all(finding.holds for finding in own.values()), own
    assert {n for n, f in of(findings, "forgetful").items() if not f.holds} == {"mutant no-reuseaddr"}
    compared = of(findings, NAMES)
    assert {name for name, finding in compared.items() if not finding.holds} == {
        "mutant no-reuseaddr, port_reusable"
    }
    said = compared["mutant no-reuseaddr, port_reusable"].message
    assert said.startswith("netns: fail (") and "SO_REUSEADDR" in said and said.endswith("; forgetful: pass")
    assert compared["reference, order 1"].message == "the same on all 7 checks"
    assert compared["quarantine"].message.startswith("port_reusable, worth nothing")

    held = quarantine.read(lab)
    assert list(held) == ["port_reusable"]
    entry = held["port_reusable"]
    assert (entry.points, entry.mutant) == (10.0, "no-reuseaddr")
    assert dict(entry.outcomes) == {"netns": "fail", "forgetful": "pass"}
    assert anew(lab).digest != lab.digest, "it decides a score"

    graded(lab)

    # A part of a comparison lets nothing out, nor does one of other providers, nor another parameter.
    agreeing: Mapping[str, Maker] = {"netns": BOTH["netns"], "forgetful": BOTH["netns"]}
    prove(lab, PARAMETERS, agreeing, repeats=1, every=2)
    prove(lab, PARAMETERS, agreeing, only="no-reuse")
    prove(lab, {"port": 11300}, agreeing, repeats=1)
    prove(lab, PARAMETERS, {"netns": BOTH["netns"], "third": BOTH["netns"]}, repeats=1)
    assert dict(quarantine.read(lab)) == dict(held)
    findings = prove(lab, PARAMETERS, agreeing, repeats=1)
    assert [finding.message for finding in findings if not finding.holds] == []
    assert of(findings, NAMES)["quarantine"].message == "nothing is in it"
    assert not quarantine.place(lab).exists()
    assert anew(lab).digest == lab.digest


def graded(lab: Lab) -> None:
    """With port_reusable in quarantine."""
    for name, outcome in [("mutants/no-reuseaddr", Outcome.FAIL), ("reference", Outcome.PASS)]:
        submission = collect(lab.folder / name, file_rules(lab))
        report = grade(Job(lab, submission, PARAMETERS), provider("netns"))
        check = next(check for check in report.checks if check.id == "port_reusable")
        assert (check.outcome, check.points, check.earned, check.quarantined) == (outcome, 0.0, 0.0, True)
        assert (report.status, report.score, report.possible) == (Status.GRADED, 90.0, 90.0)
        assert report.full_marks
        assert any("is in quarantine since" in note and "10 points" in note for note in report.notes)
        data = report.to_json()
        assert (data["possible"], data["checks"][-1]["points"], data["checks"][-1]["quarantined"]) == (
            90.0, 0.0, True,
        )  # fmt: skip
        text = feedback(report, title=lab.title)
        assert "Score: 90 of 90" in text and "Mend this first" not in text
        assert "0/0  Started again at once" in text
        assert "Worth nothing for now" in text


def test_what_our_machinery_failed_at_is_not_compared_and_not_quarantined(small: MakeLab) -> None:
    lab = small("one")
    providers: Mapping[str, Maker] = {"netns": BOTH["netns"], "failing": Failing}
    findings = prove(lab, PARAMETERS, providers, repeats=1)

    compared = of(findings, "netns and failing")
    steps = {"reference, order 1", "mutant eth0-only", "mutant no-reuseaddr", "mutant wrong-port"}
    assert set(compared) == steps | {"quarantine"}
    for name in steps:
        assert not compared[name].holds and compared[name].ours
        assert compared[name].message == "cannot be compared, because it could not be graded on failing"
    assert not quarantine.place(lab).exists()
    # Nor is anything let out by a comparison that failed in part.
    entry = quarantine.Entry(
        points=15, since=datetime.date(2026, 3, 2), outcomes={"netns": "pass", "failing": "fail"}
    )
    quarantine.write(lab, {"starts": entry})
    prove(lab, PARAMETERS, providers, repeats=1)
    assert dict(quarantine.read(lab)) == {"starts": entry}


def test_what_builds_on_a_quarantined_check_is_not_held_against_the_student(small: MakeLab) -> None:
    lab = small("one")
    entry = quarantine.Entry(
        points=15, since=datetime.date(2026, 3, 2), outcomes={"netns": "pass", "x": "fail"}
    )
    quarantine.write(lab, {"reachable_from_v1": entry})
    submission = collect(lab.folder / "mutants/eth0-only", file_rules(lab))
    report = grade(Job(lab, submission, PARAMETERS), provider("netns"))
    lost = [check.id for check in report.checks if check.outcome is not Outcome.PASS]
    assert "reachable_from_v1" in lost and len(lost) > 1
    assert all(check.quarantined for check in report.checks if check.id in lost)
    assert (report.score, report.possible) == (25.0, 25.0)
    whole = grade(Job(lab, submission, PARAMETERS, all_count=True), provider("netns"))
    assert (whole.score, whole.possible) == (25.0, 100.0)


def test_a_provider_cannot_be_compared_with_itself() -> None:
    with pytest.raises(UsageError, match="netns is named twice"):
        makers(["netns", "netns"])
    with pytest.raises(UsageError, match="no provider 'nets'"):
        makers(["netns", "nets"])


def test_the_quarantine_is_no_place_for_a_stale_entry(small: MakeLab, tmp_path: Path) -> None:
    lab = small("one")
    entry = quarantine.Entry(
        points=10, since=datetime.date(2026, 3, 2), outcomes={"netns": "pass", "forgetful": "fail"}
    )
    quarantine.write(lab, {"port_reusable": entry, "gone_since": entry})
    agreeing: Mapping[str, Maker] = {"netns": BOTH["netns"], "forgetful": BOTH["netns"]}
    prove(lab, PARAMETERS, agreeing, repeats=1)
    assert not quarantine.place(lab).exists()
