"""The command line as a person meets it: what a wrong call says, and with which exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labgrader.model import spec

ROOT = Path(__file__).resolve().parents[1]
SUBMISSION = "examples/submissions/tcp_server.py"
LABS = ", ".join(spec.lab_names())


def lab(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "labgrader", *words]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chekc"], "There is no task 'chekc'; did you mean check?"),
        (["tests/test_commands.py"], "There is no task 'tests/test_commands.py'."),
        (["check"], "./lab check needs LAB and SUBMISSION: ./lab check LAB SUBMISSION [OPTION …]"),
        (["check", "tcp-server"], "./lab check needs SUBMISSION: ./lab check LAB SUBMISSION [OPTION …]"),
        (["check", "--lab=tcp-server"], "./lab check needs SUBMISSION: ./lab check SUBMISSION [OPTION …]"),
        (["check", "tcp-server", "a", "b"], "./lab check does not know what to do with 'b': "),
        (["check", "tcp-server", SUBMISSION, "--frobnicate"], "./lab check has no option --frobnicate."),
        (
            ["check", "tcp-server", SUBMISSION, "--jso=x"],
            "./lab check has no option --jso; did you mean --json?",
        ),
        (["check", "tcp-server", SUBMISSION, "-x"], "./lab check has no option -x."),
        (["check", "tcp-server", SUBMISSION, "--json"], "./lab check: --json needs a value."),
        (
            ["check", "tcp-server", SUBMISSION, "--json", "--set", "port=1"],
            "./lab check: --json needs a value.",
        ),
        (["check", "tcp-serve", SUBMISSION], "There is no lab 'tcp-serve'; did you mean tcp-server?"),
        (["prove", "xyz"], f"There is no lab 'xyz' (there are: {LABS})."),
        (
            ["check", "tcp-server", SUBMISSION, "--provider", "nets"],
            "There is no provider 'nets'; did you mean netns?",
        ),
        (["prove", "--provider=cloud"], "There is no provider 'cloud' (there are: "),
        (["check", "tcp-server", SUBMISSION, "--set", "port"], "--set port: write it as NAME=VALUE."),
        (
            ["check", "tcp-server", SUBMISSION, "--set", "prt=1"],
            "Lab tcp-server has no parameter 'prt'; did you mean port?",
        ),
        (["check", "tcp-server", SUBMISSION, "--set", "port=80"], "--set port=80: not within 1024 to 65535."),
        (["check", "tcp-server", SUBMISSION, "--set=port=x"], "--set port=x"),
        (
            ["check", "tcp-server", SUBMISSION, "--json", "/no/such/report.json"],
            "--json /no/such/report.json: there is no folder /no/such; make it first.",
        ),
        (["check", "tcp-server", SUBMISSION, "--json", "/"], "--json /: that is a folder; name a file."),
        (["check", "tcp-server", ""], "./lab check: one of its words is empty; perhaps a shell variable"),
        (["prove", ""], "./lab prove: one of its words is empty; perhaps a shell variable is not set."),
        (["check", "tcp-server", SUBMISSION, "--json="], "./lab check: --json needs a value."),
        (["grade", "tcp-server", "examples", "--out", ""], "./lab grade: --out needs a value."),
        (["grade", "tcp-server"], "SUBMISSIONS: ./lab grade LAB SUBMISSIONS --out RUN [OPTION …]"),
        (["prove", "--jobs", "many"], "./lab prove: --jobs many: write a whole number."),
        (["prove", "--jobs=-1"], "./lab prove: --jobs -1: write a whole number."),
        (["prove", "--repeats", "0"], "--repeats 0: the reference must be graded at least once."),
        (
            ["prove", "tcp-server", "network-services"],
            "./lab prove does not know what to do with 'network-services': ",
        ),
        (["prove", "--every", "0"], "--every 0: 1 is every mutant, 2 each second."),
        (
            ["prove", "--provider", "netns", "--providers", "netns"],
            "--provider and --providers: give one of them.",
        ),
        (["prove", "--providers", "netns,"], "--providers netns,: write names with commas between"),
        (["prove", "--providers", "netns,netns"], "The provider netns is named twice"),
        (["nightly", "--providers", "netns,cloud"], "There is no provider 'cloud' (there are: "),
        (["nightly", "xyz"], f"There is no lab 'xyz' (there are: {LABS})."),
        (["nightly", "--out", "README.md"], "--out README.md: that is a file; name a folder."),
        (["bench", "--runs", "0"], "--runs 0: at least one pair must be measured."),
        (["list", "--long"], "./lab list has no option --long."),
        (["clean", "everything"], "./lab clean does not know what to do with 'everything': ./lab clean"),
        (["lint", "test"], "./lab lint does not know what to do with 'test': ./lab lint"),
        (["test", "--fast=yes"], "./lab test: --fast takes no value."),
        (["--frobnicate"], "No idea what '--frobnicate' is; ./lab --help shows what there is."),
        (["--help", "frobnicate"], "No idea what 'frobnicate' is; ./lab --help shows what there is."),
    ],
)
def test_a_wrong_call_gets_one_sentence_and_exit_status_2(words: list[str], sentence: str) -> None:
    done = lab(*words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_overview_names_the_two_commands_of_a_newcomer(words: list[str]) -> None:
    done = lab(*words)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "./lab check tcp-server examples/submissions/tcp_server.py" in done.stdout
    assert "./lab doctor " in done.stdout
    for task in ("bench", "check", "clean", "doctor", "lint", "list", "nightly", "prove", "test"):
        assert f"\n  {task} " in done.stdout


@pytest.mark.parametrize("words", [["check", "--help"], ["check", "tcp-server", "-h"], ["--help", "check"]])
def test_help_of_a_task_says_what_each_argument_is(words: list[str]) -> None:
    done = lab(*words)
    assert done.returncode == 0
    assert done.stdout.startswith("./lab check LAB SUBMISSION [OPTION …]\n\nGrade one submission")
    assert "  --set NAME=VALUE       a parameter of the lab" in done.stdout
    assert "  SUBMISSION             a file, a folder or an archive" in done.stdout


def test_every_argument_of_every_task_has_a_help() -> None:
    for task in ("bench", "check", "clean", "doctor", "lint", "list", "nightly", "prove", "test"):
        lines = lab(task, "--help").stdout.splitlines()[3:]
        for line in lines:
            assert len(line.split(maxsplit=2)) == 3 or not line, f"{task}: {line}"


def test_list_names_every_lab_with_its_points_and_machines() -> None:
    done = lab("list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == spec.lab_names()
    assert "100 points  V0, V1 " in next(line for line in lines if line.startswith("tcp-server"))


def test_an_output_that_nobody_reads_is_no_fault_of_labgrader() -> None:
    read, write = os.pipe()
    os.close(read)
    argv = [sys.executable, "-P", "-m", "labgrader", "list"]
    done = subprocess.run(argv, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""


def test_pytest_gets_its_arguments_word_for_word(tmp_path: Path) -> None:
    file = tmp_path / "test_a few.py"
    file.write_text(
        "def test_one(): assert True\ndef test_two(): assert True\ndef test_three(): assert False\n"
    )
    options = ["--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:cacheprovider"]
    done = lab("test", str(file), "--", *options, "-k", "one or two")
    assert "2 passed, 1 deselected" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert lab("test", str(file), "--", *options).returncode == 1
    assert lab("test", str(file), "-k", "no_such", "--", *options).returncode == 2


def test_sigterm_gives_the_tests_time_to_tidy_up(tmp_path: Path) -> None:
    marks = tmp_path / "started", tmp_path / "tidied"
    file = tmp_path / "test_waits.py"
    file.write_text(
        "import pathlib, threading\n"
        "def test_waits():\n"
        f"    pathlib.Path({str(marks[0])!r}).touch()\n"
        "    try:\n"
        "        threading.Event().wait(60)\n"
        "    finally:\n"
        f"        pathlib.Path({str(marks[1])!r}).touch()\n"
    )
    argv = [sys.executable, "-P", "-m", "labgrader", "test", str(file)]
    argv += ["--", "--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:cacheprovider"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _until(marks[0].exists, "the test's start")
        process.terminate()
        assert process.wait(30) == 1
    assert marks[1].exists()


@pytest.mark.namespaces
def test_a_check_writes_the_report_and_takes_a_path_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "a student's work"
    folder.mkdir()
    (folder / "tcp_server.py").write_bytes((ROOT / SUBMISSION).read_bytes())
    done = lab("check", "tcp-server", str(folder), "--json", "report.json", "--set=port=11201", cwd=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["parameters"] == {"port": 11201}
    assert report["status"] == "graded"
    # The program listens on 11200 whatever is asked for, so that every mark is lost.
    assert (done.returncode, report["score"]) == (1, 0.0)
    assert "Score: 0 of 100" in done.stdout


@pytest.mark.namespaces
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_stopped_says_so_and_exits_with_130(number: signal.Signals) -> None:
    argv = [sys.executable, "-P", "-m", "labgrader", "check", "tcp-server", SUBMISSION]
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        _until(lambda: len(children.read_text().split()) >= 2, "the session and the lab's supervisor")
        process.send_signal(number)
        said, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ""
    assert complaint.endswith("Stopped; the lab is gone and nothing was scored.\n")
    assert "Traceback" not in complaint


@pytest.mark.namespaces
def test_clean_says_what_it_removed_or_that_there_was_nothing() -> None:
    lab("clean")
    done = lab("clean")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines == ["Nothing was left behind."] or all(line.startswith("Removed ") for line in lines)


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_told_in_a_sentence(unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "labgrader", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(ROOT / "src")},
        )
    assert done.returncode == 3
    said = "The output cannot be written: No space left on device; what was graded into a folder is kept.\n"
    assert done.stderr == said


def test_a_folder_with_another_lab_s_results_is_refused(tmp_path: Path) -> None:
    from labgrader.batch import store

    run = tmp_path / "run"
    run.mkdir()
    with store.opened(run, write=True) as kept:
        kept.begin({"lab": "network-services"}, [])
    before = {path.name: path.read_bytes() for path in run.glob("**/*") if path.is_file()}
    done = lab("grade", "tcp-server", "examples/submissions", "--out", str(run))
    said = f"--out {run} has the results of network-services; name another folder for those of tcp-server.\n"
    assert (done.returncode, done.stderr) == (2, said)
    after = {path.name: path.read_bytes() for path in run.glob("**/*") if path.is_file()}
    assert {name: after[name] for name in before if name != "lock"} == {
        name: data for name, data in before.items() if name != "lock"
    }


@pytest.mark.parametrize("actions", [False, True])
def test_a_student_s_words_are_no_commands_to_github_s_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actions: bool
) -> None:
    name = "a" * 56 + " ::error::x ##[group]"
    (tmp_path / name).write_text("")
    if actions:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    else:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    said = lab("check", "tcp-server", str(tmp_path / name)).stdout
    begins = any(line.lstrip().startswith("::error") for line in said.splitlines())
    assert (begins, "##[group]" in said) == (not actions, not actions), said
