"""What is laid on kept machines beforehand: nothing that a submission could change."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.errors import SpecError
from labgrader.groundwork import LabGroundwork
from labgrader.model import spec
from labgrader.model.topology import topology

SCRIPTS = "/etc/sysconfig/network-scripts"
PORT = {"port": 11200}


def groundwork(lab: spec.Lab) -> LabGroundwork:
    return LabGroundwork(lab, topology(lab), PORT)


@pytest.mark.parametrize("name", spec.lab_names())
def test_no_file_and_no_service_of_a_submission_is_laid(name: str) -> None:
    lab = spec.find(name)
    laid = groundwork(lab)
    places = {(file.host, file.path) for file in laid.files}
    for rule in lab.submission.files.values():
        assert (rule.host, rule.path) not in places
        assert rule.service not in laid.services.get(rule.host, ())


def test_early_services_are_laid_with_their_files_and_those_of_no_service() -> None:
    laid = groundwork(spec.find("network-services"))
    assert laid.services == {"gw": ("network",), "v1": ("network",), "upstream": ("network", "named")}
    assert {file.path for file in laid.files if file.host == "v1"} == {
        f"{SCRIPTS}/ifcfg-eth1",
        "/etc/resolv.conf",
        "/etc/hosts",
    }
    assert {file.path for file in laid.files if file.host == "gw"} == {
        f"{SCRIPTS}/ifcfg-eth{number}" for number in range(3)
    }


def test_lab_without_early_services_needs_none(lab_folder: Path) -> None:
    (lab_folder / "lab.yaml").write_text((lab_folder / "lab.yaml").read_text().replace("early: true", ""))
    laid = groundwork(spec.load(lab_folder / "lab.yaml"))
    assert (laid.services, laid.files) == ({}, [])
    laid.lay({})


def test_digest_tells_what_is_laid_and_nothing_else(lab_folder: Path) -> None:
    path = lab_folder / "lab.yaml"
    before = groundwork(spec.load(path)).digest()
    path.write_text(path.read_text().replace("points: 100", "points: 90"))
    (lab_folder / "reference/tcp_server.py").write_text("# another")
    assert groundwork(spec.load(path)).digest() == before
    path.write_text(path.read_text().replace("192.168.1.11/24", "192.168.1.12/24"))
    assert groundwork(spec.load(path)).digest() != before


def test_template_that_cannot_be_rendered_is_told_before_machines_are_made(lab_folder: Path) -> None:
    template = lab_folder / "templates" / "ifcfg.j2"
    template.parent.mkdir(exist_ok=True)
    template.write_text("{{ nothing_of_this_name }}\n")
    with pytest.raises(SpecError, match=r"ifcfg\.j2:1: 'nothing_of_this_name' is undefined"):
        groundwork(spec.load(lab_folder / "lab.yaml")).digest()
