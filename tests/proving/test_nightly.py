"""The nightly job: killed at any moment, the same command goes on and comes to what it would have."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from labgrader.model.spec import Lab
from tests.proving.conftest import MUTANTS, ROOT, MakeLab

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.usefixtures("hosts_image", "own_folders"),
]
PATIENCE_S = 240.0
NOTHING_CUT_OFF = "There is no run with these options that was cut off within a day; nothing to go on with.\n"
STEPS = {"reference, order 1", *(f"mutant {name}" for name in MUTANTS)}
ALL_STEPS = {(provider, step) for provider in ("netns", "forgetful") for step in STEPS}


class Place:
    """One state folder, one copy of the lab, and the command that works on them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.out, self.state = lab, folder / "out", folder / "state"
        self.journal = self.state / "labgrader/nightly/journal.jsonl"

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.proving.night", str(self.lab.folder), str(self.out), *more],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(self.state), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lines(self) -> list[dict[str, Any]]:
        whole = self.journal.read_bytes().split(b"\n")[:-1] if self.journal.exists() else []
        return [json.loads(line) for line in whole]

    def steps(self) -> list[tuple[str, str]]:
        return [(line["provider"], line["step"]) for line in self.lines() if line["event"] == "step"]

    def findings(self) -> list[tuple[str, ...]]:
        """All that the JUnit file says, but for times."""
        cases = ElementTree.parse(self.out / "junit.xml").getroot().iter("testcase")
        return [
            (case.attrib["classname"], case.attrib["name"], case[0].tag, str(case[0].text)) for case in cases
        ]


@pytest.fixture
def place(small: MakeLab, tmp_path: Path) -> Callable[[str], Place]:
    started: list[Place] = []

    def make(name: str) -> Place:
        started.append(Place(small(name), tmp_path / name))
        return started[-1]

    return make


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def await_steps(place: Place, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not place.journal.exists() or len(place.steps()) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the steps did not come"
        time.sleep(0.01)


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def test_killed_at_any_moment_it_goes_on_and_comes_to_the_same(
    place: Callable[[str], Place], own_folders: Path
) -> None:
    undisturbed = place("undisturbed")
    status, said = ended(undisturbed.start())
    assert status == 1, said
    assert set(undisturbed.steps()) == ALL_STEPS
    wanted = undisturbed.findings()
    names = [(where, name) for where, name, tag, _ in wanted if tag == "failure"]
    assert names == [
        ("tcp-server.forgetful", "mutant no-reuseaddr"),
        ("tcp-server.netns and forgetful", "mutant no-reuseaddr, port_reusable"),
    ]
    assert (undisturbed.lab.folder / "quarantine.yaml").exists()

    disturbed = place("disturbed")
    kept: list[tuple[str, str]] = []
    for count in (0, 1, 3, 6):
        process = disturbed.start()
        await_steps(disturbed, process, max(count, len(kept) + 1 if count else 0))
        kill(process)
        now = disturbed.steps()
        assert now[: len(kept)] == kept, "nothing that was finished is lost"
        kept = now
        with disturbed.journal.open("ab") as stream:
            stream.write(b'{"event": "step", "lab": "x", "provi')  # as a machine that lost power leaves it
    status, said = ended(disturbed.start())
    assert status == 1, said
    assert f"going on after {len(kept)} finished steps" in said
    assert Counter(disturbed.steps()) == Counter(dict.fromkeys(ALL_STEPS, 1)), "each is judged once"
    assert disturbed.findings() == wanted
    entries = [(one.lab.folder / "quarantine.yaml").read_text() for one in (undisturbed, disturbed)]
    assert entries[0] == entries[1]
    assert disturbed.lines()[-1] == {"event": "end", "status": 1}
    assert {path.name for path in disturbed.out.iterdir()} == {
        "junit.xml", "report.html", "nightly.log", "failures.txt",
    }  # fmt: skip
    failures = (disturbed.out / "failures.txt").read_text()
    assert failures.count("\n") == 2 and "port_reusable: netns: fail (" in failures
    page = (disturbed.out / "report.html").read_text()
    assert "port_reusable" in page and "<script" not in page and "http" not in page
    assert list((own_folders / "labgrader").iterdir()) == [], "no lab is left"


def test_after_its_end_it_begins_anew_and_only_one_runs(place: Callable[[str], Place]) -> None:
    one = place("one")
    process = one.start()
    await_steps(one, process, 1)
    status, said = ended(one.start())
    assert status != 0
    assert f"A nightly run is under way already: process {process.pid} on " in said
    assert ended(process)[0] == 1
    first = one.lines()[0]["started"]
    (one.lab.folder / "mutants/no-reuseaddr/mutant.yaml").write_text("title: no longer wrong\n")
    process = one.start()
    deadline = time.monotonic() + PATIENCE_S
    while one.lines()[0]["started"] == first or not one.steps():
        assert process.poll() is None and time.monotonic() < deadline, "it did not begin anew"
        time.sleep(0.01)
    kill(process)
    # What is proven has changed: what was found before says nothing of it.
    (one.lab.folder / "mutants/no-reuseaddr/mutant.yaml").write_text("title: changed\nfails: [starts]\n")
    process = one.start()
    assert process.stdout is not None
    for line in process.stdout:
        assert "going on" not in line and time.monotonic() < deadline
        if "reference, order 1" in line:
            break
    kill(process)


def test_stopped_by_a_signal_it_cleans_up_and_can_go_on(
    place: Callable[[str], Place], own_folders: Path
) -> None:
    one = place("one")
    assert ended(one.start("--unfinished")) == (0, NOTHING_CUT_OFF)
    process = one.start()
    await_steps(one, process, 2)
    process.send_signal(signal.SIGINT)
    status, said = ended(process)
    assert status != 0 and "cut off; the same command goes on from here" in said
    deadline = time.monotonic() + 20
    while left := list((own_folders / "labgrader").iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    status, said = ended(one.start("--unfinished"))
    assert status == 1 and "going on after" in said
    assert ended(one.start("--unfinished")) == (0, NOTHING_CUT_OFF)
    assert Counter(one.steps()) == Counter(dict.fromkeys(ALL_STEPS, 1))


def test_the_command_itself_with_one_provider(small: MakeLab, tmp_path: Path) -> None:
    lab = small("one")
    out = tmp_path / "out"
    words = ["nightly", str(lab.folder), "--providers", "netns", "--out", str(out), "--every", "3"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    cases = list(ElementTree.parse(out / "junit.xml").getroot().iter("testcase"))
    assert [case.attrib["name"] for case in cases] == [
        "doctor", "empty submission", "reference, order 1", "reference, order 2", "reference, order 3",
        "mutant eth0-only", "lab clean",
    ]  # fmt: skip
    assert (out / "failures.txt").read_text() == ""
    lines = (journal_of(tmp_path)).read_text().splitlines()
    assert json.loads(lines[-1]) == {"event": "end", "status": 0}


def test_without_a_lab_nothing_is_proven_and_that_is_no_success(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tasks.py", checkout)
    (checkout / "labs").mkdir()
    for words in (["nightly", "--out", str(tmp_path / "out")], ["prove"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "labgrader", *words],
            cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr == f"There is no lab in {checkout}/labs, so there is nothing to prove.\n"


def test_a_broken_lab_costs_no_more_than_itself(small: MakeLab, tmp_path: Path) -> None:
    lab = small("one")
    (lab.folder / "quarantine.yaml").write_text("starts: 1\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", "nightly", str(lab.folder), "--out", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "quarantine.yaml:1: starts: " in (tmp_path / "out/failures.txt").read_text()
    assert "Traceback" not in done.stdout + done.stderr


def journal_of(tmp_path: Path) -> Path:
    return tmp_path / "state/labgrader/nightly/journal.jsonl"
