"""The provider end to end: labs on real machines, made by libvirt, and by Vagrant's code for VirtualBox.

`virtualbox` here is the stand-in on QEMU (stand_in/README.md): Vagrant's provider and our Vagrantfile are
real, VirtualBox is not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labgrader.providers.vagrant import host_lock
from labgrader.providers.vagrant.box import Boxes
from tests.vagrant.agreement import agree
from tests.vagrant.conftest import Hypervisor

TOP = Path(__file__).resolve().parents[2]
CHECK_S = 600.0
# Somebody else's, which must stay: a name like ours that is none of ours.
FOREIGN = "labgrader-notours-v0"


class Lab:
    """Runs `lab` commands with one hypervisor, and looks at what is there."""

    def __init__(self, hypervisor: Hypervisor, tmp_path: Path) -> None:
        self.hypervisor = hypervisor
        self.state = tmp_path / "state"
        self.environment = {
            **hypervisor.environment,
            "LABGRADER_BOX": "built",
            "XDG_STATE_HOME": str(self.state),
            "PYTHONPATH": str(TOP / "src"),
        }
        self.report = tmp_path / "report.json"

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "labgrader", *words],
            cwd=TOP,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, status: int = 0, timeout_s: float = CHECK_S) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout_s)
        print(f"lab {' '.join(words)}\n{out}{err}")
        assert process.returncode == status, (out + err)[-3000:]
        return out, err

    def check(self, lab: str, submission: str | Path, status: int = 0) -> dict[str, Any]:
        words = ["check", lab, str(submission), "--provider", "vagrant", "--json", str(self.report)]
        self.run(*words, status=status)
        data: dict[str, Any] = json.loads(self.report.read_text())
        return data

    def ours(self) -> set[str]:
        """Names of machines, disks, networks, bridges, locks and slots of ours that there are."""
        found = {f"slot {path.name}" for path in self.state.glob("labgrader/vagrant/????????")}
        if host_lock.path().exists():
            found.add("lock")
        if self.hypervisor.provider == "libvirt":
            for words in (
                ("list", "--all", "--name"),
                ("net-list", "--all", "--name"),
                ("vol-list", "default"),
            ):
                done = subprocess.run(
                    ["virsh", "-c", "qemu:///system", *words], capture_output=True, text=True, check=False
                )
                found |= {word for line in done.stdout.splitlines() for word in line.split()[:1]}
        else:
            done = subprocess.run(
                ["VBoxManage", "list", "vms"],
                env=self.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            found |= {line.split('"')[1] for line in done.stdout.splitlines() if '"' in line}
            links = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout
            found |= {link["ifname"] for link in json.loads(links)} - {"lo"}
        # The box is Vagrant's to keep: its disk in libvirt's pool, the machine that clones are linked to.
        return {name for name in found if not _is_the_box_s(name)} - {"Name", "---" * 30}


def _is_the_box_s(name: str) -> bool:
    return "_vagrant_box_image_" in name or name.startswith(("labgrader-debian", "---")) or name == "Name"


@pytest.fixture(params=["libvirt", "virtualbox"])
def lab(request: pytest.FixtureRequest, box: Boxes, tmp_path: Path) -> Iterator[Lab]:
    """A state folder of its own; what a failed test left is removed with it."""
    made = Lab(request.getfixturevalue(request.param), tmp_path)
    yield made
    subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", "machines", "--remove"],
        cwd=TOP,
        env=made.environment,
        capture_output=True,
        timeout=CHECK_S,
    )


def test_lab_from_nothing_to_nothing(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # The larger lab on the real hypervisor, the smaller on the stand-in, which restores them one by one.
    name = "network-services" if lab.hypervisor.provider == "libvirt" else "tcp-server"
    mutant = "telnet-everybody" if name == "network-services" else "closes-after-ten-seconds"
    first = lab.check(name, TOP / "labs" / name / "mutants" / mutant, status=1)
    assert (first["status"], first["provider"]) == ("graded", "vagrant")
    assert first["score"] < 100.0
    assert first["versions"]["vagrant"]
    if lab.hypervisor.provider == "virtualbox":
        assert "StandIn" in first["versions"]["virtualbox"], "a report never takes it for a VirtualBox"

    out, _ = lab.run("machines")
    assert f"{name}  {lab.hypervisor.provider}  off" in out
    assert lab.run("clean")[0].strip() in ("Nothing was left behind.", f"Removed lock {host_lock.path()}")

    # The second lease: another student, and nothing of the first one's is there.
    second = lab.check(name, "reference")
    assert (second["status"], second["score"]) == ("graded", 100.0)
    restore_s, apply_s, checks_s = (second["timings"][name] for name in ("create_s", "apply_s", "checks_s"))
    to_score_s = restore_s + apply_s + checks_s
    said = f"{restore_s:.1f} s, and {to_score_s:.1f} s to the score: {to_score_s / restore_s:.2f} times"
    slowest = max(second["checks"], key=lambda check: check["duration_s"])
    said += f" (to apply {apply_s:.1f} s, the checks {checks_s:.1f} s, "
    said += f"the slowest {slowest['id']} {slowest['duration_s']:.1f} s)"
    record_property(f"{lab.hypervisor.provider}: restore of {name}", said)
    if lab.hypervisor.provider == "libvirt":
        agree(lab, name, tmp_path)

    lab.run("machines", "--remove")
    lab.run("clean")
    assert lab.ours() == set()


# A check that says that it has begun, and waits until the test has done what it is about to do.
WAITING_CHECK = '''
import os
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


@pytest.mark.points(100)
def test_answers(v0):
    """V0 answers."""
    (HERE / "begun").write_text("")
    end = time.monotonic() + 120
    while not (HERE / "go-on").exists() and time.monotonic() < end:
        time.sleep(0.05)
    (HERE / "go-on").unlink(missing_ok=True)  # for the next attempt
    v0.run("true")
'''


@pytest.fixture
def waiting_lab(tmp_path: Path) -> Path:
    """tcp-server's machines, which are kept as that lab's own are, with WAITING_CHECK."""
    folder = tmp_path / "labs" / "tcp-server"
    shutil.copytree(TOP / "templates", tmp_path / "templates")
    shutil.copytree(TOP / "labs/tcp-server", folder, ignore=shutil.ignore_patterns("mutants", "test_*"))
    (folder / "checks").mkdir(exist_ok=True)
    (folder / "checks" / "test_it.py").write_text(WAITING_CHECK)
    return folder


# What the grader says, or the slot's state, when a phase has begun.
PHASES = ("making", "up", "snapshot", "restoring", "grading")
# The stand-in takes minutes for each: the others on request alone.
FEWER_PHASES = PHASES if os.environ.get("LABGRADER_ALL_PHASES") == "1" else ("up", "grading")


def test_killed_in_each_phase_leaves_nothing_after_clean(lab: Lab, box: Boxes, waiting_lab: Path) -> None:
    stranger = _stranger(lab, box)
    for phase in PHASES if lab.hypervisor.provider == "libvirt" else FEWER_PHASES:
        if phase == "restoring":
            lab.check("tcp-server", "reference")
        process = lab.start("check", str(waiting_lab), "reference", "--provider", "vagrant")
        if phase == "grading":
            _await_file(waiting_lab / "begun", process)
        else:
            _await_phase(lab, process, phase)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        out, _ = lab.run("clean")
        assert "Removed" in out, phase
        assert lab.ours() == stranger, phase
        assert lab.run("clean")[0] == "Nothing was left behind.\n", phase
    _remove_stranger(lab)


def _await_phase(lab: Lab, process: subprocess.Popen[str], phase: str) -> None:
    wanted = {
        "making": " up --provider",
        "up": "Booting VM" if lab.hypervisor.provider == "virtualbox" else "Starting domain",
        "snapshot": " snapshot save",
        "restoring": " snapshot restore",
    }[phase]
    deadline = time.monotonic() + CHECK_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        for folder in lab.state.glob("labgrader/vagrant/????????"):
            try:
                log = (folder / "vagrant.log").read_text(errors="replace")
                state = json.loads((folder / "slot.json").read_text())["state"]
            except (OSError, ValueError):
                continue
            if wanted in log and (phase != "restoring" or state == "leased"):
                return
        time.sleep(0.05)
    raise AssertionError(f"{phase} did not come")


def _await_file(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + CHECK_S
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)


def _stranger(lab: Lab, box: Boxes) -> set[str]:
    """Make a machine that is somebody else's, by hand; what `Lab.ours` then sees of it."""
    if lab.hypervisor.provider == "libvirt":
        xml = (
            f"<domain type='qemu'><name>{FOREIGN}</name><memory>4096</memory>"
            "<os><type>hvm</type></os></domain>"
        )
        path = lab.state.parent / "stranger.xml"
        path.write_text(xml)
        subprocess.run(["virsh", "-q", "-c", "qemu:///system", "define", str(path)], check=True)
        return {FOREIGN}
    folder = lab.state.parent / "stranger"
    with tarfile.open(box.virtualbox) as archive:
        archive.extractall(folder, filter="data")
    words = ["VBoxManage", "import", str(folder / "box.ovf"), "--vsys", "0", "--vmname", FOREIGN]
    subprocess.run(words, env=lab.environment, check=True, stdout=subprocess.DEVNULL)
    return {FOREIGN}


def _remove_stranger(lab: Lab) -> None:
    if lab.hypervisor.provider == "libvirt":
        subprocess.run(["virsh", "-q", "-c", "qemu:///system", "undefine", FOREIGN], check=True)
    else:
        words = ["VBoxManage", "unregistervm", FOREIGN, "--delete"]
        subprocess.run(words, env=lab.environment, check=True, stdout=subprocess.DEVNULL)


def test_missing_box_is_one_sentence_and_nothing_is_scored(lab: Lab) -> None:
    lab.environment["LABGRADER_BOX"] = "el8"
    out, err = lab.run("check", "tcp-server", "reference", "--provider", "vagrant", status=3)
    assert "almalinux/8" in out + err
    assert "Traceback" not in out + err
    assert "Score: 100" not in out
    lab.run("clean")
    assert lab.ours() == set()


def test_full_disk_is_one_sentence_and_nothing_is_scored(lab: Lab) -> None:
    if lab.hypervisor.provider == "virtualbox":
        place = lab.hypervisor.state / "machines"
        place.mkdir(parents=True, exist_ok=True)
    else:
        place = lab.hypervisor.state
    # In the room's own mount namespace.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    try:
        out, err = lab.run("check", "tcp-server", "reference", "--provider", "vagrant", status=3)
        assert re.search("[Nn]o space|is full|disk", out + err)
        assert "Traceback" not in out + err
        assert "No score yet" in out
        lab.run("machines", "--remove")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    lab.run("clean")
    assert lab.ours() == set()


@pytest.mark.parametrize("vagrant", ["absent", "too old"])
def test_vagrant_that_cannot_be_used_is_told_at_once(lab: Lab, tmp_path: Path, vagrant: str) -> None:
    program = tmp_path / "vagrant"
    if vagrant == "too old":
        program.write_text("#!/bin/sh\necho Vagrant 2.2.19\n")
        program.chmod(0o755)
    lab.environment["LABGRADER_VAGRANT"] = str(program)
    out, err = lab.run("check", "tcp-server", "reference", "--provider", "vagrant", status=3)
    assert "apt-get install vagrant" in out + err
    assert "Score" not in out
    assert len((out + err).strip().splitlines()) == 1
    assert lab.ours() == set()


@pytest.mark.parametrize("lab", ["libvirt"], indirect=True)
def test_machine_that_hangs_is_our_failure(lab: Lab, waiting_lab: Path) -> None:
    words = ["check", str(waiting_lab), "reference", "--provider", "vagrant", "--json", str(lab.report)]
    process = lab.start(*words)
    for _attempt in range(2):
        _await_file(waiting_lab / "begun", process)
        (waiting_lab / "begun").unlink()
        assert _freeze() == 1
        (waiting_lab / "go-on").write_text("")
    out, err = process.communicate(timeout=CHECK_S)
    report = json.loads(lab.report.read_text())
    assert (process.returncode, report["status"], report["score"]) == (3, "incomplete", None), out + err
    for why in (report["error"], *report["retried"]):
        assert "v0" in why.lower(), why
    assert len(report["retried"]) == 1
    assert "no points lost" in out
    assert "Traceback" not in out + err


def _freeze() -> int:
    """Stop V0's processors, as a hypervisor in trouble does; its connections stay open. How many were."""
    frozen = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(b"/usr/bin/qemu-system") and b"-v0" in words:
                os.kill(int(entry.name), signal.SIGSTOP)
                frozen += 1
    return frozen


def test_vagrantfile_works_by_hand(lab: Lab, tmp_path: Path) -> None:
    """`LAB=… vagrant up`, without labgrader around it: validated with this provider's own checks."""
    environment = {
        **lab.environment,
        "LAB": "network-services",
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot"),
        "LABGRADER_LIBVIRT_DRIVER": "qemu",
    }
    done = subprocess.run(["vagrant", "validate"], cwd=TOP, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout
    done = subprocess.run(
        ["vagrant", "validate"], cwd=TOP, env={**environment, "LAB": ""}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "network-services, tcp-server" in done.stdout + done.stderr
    shutil.rmtree(tmp_path / "dot", ignore_errors=True)
