"""The Vagrantfile without labgrader around it, by the commands that are printed for a person."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from labgrader.providers.vagrant.box import Boxes
from tests.vagrant.conftest import Hypervisor

TOP = Path(__file__).resolve().parents[2]
UP_S = 400.0
# Carries the Vagrantfile out with nothing behind it, and prints what VirtualBox would be told.
RECORDER = """
require "json"
class Anything
  def method_missing(name, *words, **named, &block)
    $told << words.first if name == :customize
    block&.call(*([self] * [block.arity, 1].max))
    self
  end
  def respond_to_missing?(*) = true
end
module Vagrant
  def self.require_version(*) = nil
  def self.user_data_path = Pathname.new("/")
  def self.configure(_version) = yield(Anything.new)
end
require "pathname"
$told = []
load ARGV.fetch(0)
puts JSON.generate($told)
"""


def commands(hypervisor: Hypervisor) -> list[list[str]]:
    """The two commands that `lab box build` prints for this hypervisor, as words."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "labgrader", "box", "build"],
        cwd=TOP,
        env={**hypervisor.environment, "PYTHONPATH": str(TOP / "src")},
        capture_output=True,
        text=True,
        timeout=UP_S,
    )
    assert done.returncode == 0, done.stderr
    assert [Path(line).is_file() for line in done.stdout.splitlines()] == [True, True]
    told = done.stderr.partition(f"By hand, with {hypervisor.provider}:\n")[2].splitlines()[:2]
    return [shlex.split(line) for line in told]


def test_the_commands_that_are_printed_make_machines_and_remove_them(
    libvirt: Hypervisor, box: Boxes, tmp_path: Path
) -> None:
    own = {"VAGRANT_DOTFILE_PATH": str(tmp_path / "dot"), "VAGRANT_HOME": str(tmp_path / "home")}
    environment = {**libvirt.environment, **own}
    before = networks(), domains(), disks()

    def run(words: list[str]) -> str:
        done = subprocess.run(
            ["env", *words], cwd=TOP, env=environment, capture_output=True, text=True, timeout=UP_S
        )
        print(f"{shlex.join(words)}\n{done.stdout}{done.stderr}")
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    add, up = commands(libvirt)
    assert str(box.libvirt) in add
    run(add)
    settings = up[: up.index("vagrant")]
    try:
        run(up)
        assert domains() - before[1] == {"labgrader-by-hand-tcp-server-v0", "labgrader-by-hand-tcp-server-v1"}
        assert run([*settings, "vagrant", "ssh", "v0", "-c", "hostname; sudo ip -o -br link"]).split()[
            :1
        ] == ["V0"]
        # The labs' networks have no address on the machine: only the one for management could hide its own.
        said = json.loads(subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, check=True).stdout)
        addresses = {entry["local"] for link in said for entry in link["addr_info"]}
        assert addresses - {"127.0.0.1"} == {"10.121.0.1"}
        routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
        assert re.findall(r"^\S+", routes, re.M) == ["10.121.0.0/24"]
    finally:
        run([*settings, "vagrant", "destroy", "-f"])
    assert domains() == before[1]
    assert networks() - before[0] <= {"labgrader-mgmt"}
    left = disks() - before[2]
    assert all(name.startswith("by-hand-VAGRANTSLASH-debian12-") for name in left), "the box's alone"
    for name in left:
        subprocess.run(["virsh", "-q", "vol-delete", name, "--pool", "default"], check=True)


def domains() -> set[str]:
    return virsh("list", "--all", "--name")


def networks() -> set[str]:
    return virsh("net-list", "--all", "--name")


def disks() -> set[str]:
    return {path.name for path in Path("/var/lib/libvirt/images").iterdir()}


def virsh(*words: str) -> set[str]:
    done = subprocess.run(
        ["virsh", "-q", "-c", "qemu:///system", *words], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_machines_of_a_built_box_have_no_sound_either(
    virtualbox: Hypervisor, box: Boxes, tmp_path: Path
) -> None:
    """Up to the start, which fails on demand: what is customized comes before it. On the stand-in."""
    own = {"VAGRANT_DOTFILE_PATH": str(tmp_path / "dot"), "VAGRANT_HOME": str(tmp_path / "home")}
    environment = {**virtualbox.environment, **own}
    add, up = commands(virtualbox)
    subprocess.run(["env", *add], cwd=TOP, env=environment, check=True, timeout=UP_S)
    failing = {**environment, "STAND_IN_FAIL": "startvm: VERR_SVM_IN_USE"}
    done = subprocess.run(
        ["env", *up, "v0"], cwd=TOP, env=failing, capture_output=True, text=True, timeout=UP_S
    )
    try:
        assert done.returncode != 0 and "VERR_SVM_IN_USE" in done.stdout + done.stderr
        calls = (virtualbox.state / "calls.log").read_text()
        uuids = re.findall(r" 0 \d+ modifyvm (\S+) --audio-enabled off$", calls, re.M)
        assert len(uuids) == 1, calls[-3000:]
        assert "--audio none" not in calls
        assert "is deprecated" not in done.stdout + done.stderr
    finally:
        settings = up[: up.index("vagrant")]
        words = ["env", *settings, "vagrant", "destroy", "-f"]
        subprocess.run(words, cwd=TOP, env=environment, check=True, timeout=UP_S)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("6.1.50_Debianr161033", ["--audio", "none"]),
        ("7.0.4r154605", ["--audio", "none"]),
        ("7.0.6r155176", ["--audio-enabled", "off"]),
        ("WARNING: The vboxdrv kernel module is not loaded.\n7.1.4r165100", ["--audio-enabled", "off"]),
        ("7.2.10r1", ["--audio-enabled", "off"]),
        (None, ["--audio-enabled", "off"]),
    ],
)
@pytest.mark.parametrize("name", ["el8", "built"])
def test_sound_is_switched_off_in_the_words_of_each_virtualbox(
    tmp_path: Path, version: str | None, words: list[str], name: str
) -> None:
    (tmp_path / "recorder.rb").write_text(RECORDER)
    program = tmp_path / "VBoxManage"
    if version is not None:
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(version)}\n")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "LAB": "tcp-server"}
    environment["LABGRADER_BOX"] = name
    done = subprocess.run(
        ["ruby", str(tmp_path / "recorder.rb"), str(TOP / "Vagrantfile")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["modifyvm", "id", *words]]
