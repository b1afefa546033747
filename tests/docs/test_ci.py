"""Workflows, units and the pipeline: they load, their commands are ours, and what they name is there."""

from __future__ import annotations

import glob
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke import Collection

import tasks
from labgrader import command_line
from labgrader.guest import packages
from labgrader.providers.netns import image
from labgrader.providers.vagrant import box
from tests.docs.pages import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PAGE = ROOT / "docs" / "ci.md"
UNITS = dict(
    re.findall(r"<!-- unit: (\S+) -->\n```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
)
# A command of ours, up to where the shell goes on to something else.
COMMAND = re.compile(
    r"(?:^|[\s'(=])(?:\S*/)?lab ((?:nightly|doctor|clean|machines|test|prove|check)\b"
    r"(?:(?! \d?>)[^|;&>'`\n])*)",
    re.M,
)


def loaded(path: Path) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for true.
    data: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else str(key): value for key, value in data.items()}


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in loaded(path)["jobs"].values():
        yield from job["steps"]


def test_both_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "nightly.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_the_shape_of_one(path: Path) -> None:
    data = loaded(path)
    assert set(data) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert data["permissions"]["contents"] == "read"
    for name, job in data["jobs"].items():
        known = {"runs-on", "timeout-minutes", "container", "env", "steps", "needs", "if", "permissions"}
        assert set(job) <= known, name
        assert 0 < job["timeout-minutes"] <= 1440
        for step in job["steps"]:
            assert set(step) <= {"name", "uses", "with", "run", "env", "if", "continue-on-error"}, step
            assert ("run" in step) != ("uses" in step), step
            assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_its_scripts_are_shell_without_text_from_outside(path: Path) -> None:
    for step in steps(path):
        if "run" in step:
            assert "${{" not in step["run"], f"{step}: give it as an environment variable"
            done = subprocess.run(
                ["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), step


def test_the_nightly_workflow_does_what_the_page_says() -> None:
    path = ROOT / ".github/workflows/nightly.yml"
    data = loaded(path)
    assert set(data["on"]) == {"schedule", "workflow_dispatch"}, "never on what others push"
    assert data["concurrency"] == {"group": "nightly-virtualbox", "cancel-in-progress": False}
    nightly, tell = data["jobs"]["nightly"], data["jobs"]["tell"]
    assert nightly["runs-on"] == ["self-hosted", "virtualbox"]
    assert nightly["env"] == {"VAGRANT_DEFAULT_PROVIDER": "virtualbox"}, "libvirt must not stand in for it"
    # A runner that is gone cannot tell of it, nor has one of one's own gh.
    assert tell["runs-on"].startswith("ubuntu-") and tell["needs"] == "nightly"
    assert tell["if"] == "always() && needs.nightly.result != 'success'", "a time-out cancels"
    assert tell["permissions"] == {"issues": "write"} and "permissions" not in nightly
    (kept,) = [step["with"]["name"] for step in nightly["steps"] if "upload" in step.get("uses", "")]
    (taken,) = [step["with"]["name"] for step in tell["steps"] if "download" in step.get("uses", "")]
    assert kept == taken and "run_attempt" in kept
    assert all("gh " not in step.get("run", "") for step in nightly["steps"])
    by_name = {step.get("name", step.get("uses")): step for step in steps(path)}
    assert by_name["Leave the machine clean"]["if"] == "always()"
    assert by_name["actions/upload-artifact@v4"]["if"] == "always()"
    assert "lab machines --remove" in by_name["Leave the machine clean"]["run"], "the kept ones, too"
    order = [step.get("name", step.get("uses")) for step in steps(path)]
    assert order.index("Prove and compare") < order.index("Leave the machine clean")


@pytest.mark.parametrize("lines", [0, 3, 200])
def test_the_issue_tells_the_failing_lines_as_text(tmp_path: Path, lines: int) -> None:
    """The step's own script, with a gh that notes what it is asked for."""
    script = next(step for step in steps(WORKFLOWS[1]) if step.get("name") == "Tell it in an issue")["run"]
    out, bin_folder = tmp_path / "out", tmp_path / "bin"
    out.mkdir()
    bin_folder.mkdir()
    (out / "failures.txt").write_text("".join(f"lab: WRONG  # `x` **{n}** @all\n" for n in range(lines)))
    (out / "nightly.log").write_text("01:17:00 the last thing it said\n")
    gh = bin_folder / "gh"
    gh.write_text('#!/bin/bash\necho "$@" >> "$NOTE"\n[[ $2 == list ]] && echo "$NUMBER"\nexit 0\n')
    gh.chmod(0o755)
    for number, wanted in (("", "issue create --title"), ("17", "issue comment 17 --body-file")):
        note = tmp_path / f"note{number}"
        environment = {
            "PATH": f"{bin_folder}:/usr/bin:/bin", "OUT": str(out), "RUNNER_TEMP": str(tmp_path),
            "RUN": "https://example.org/run/1", "NOTE": str(note), "NUMBER": number,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert wanted in note.read_text()
        body = (tmp_path / "nightly-issue.md").read_text().splitlines()
        assert body[0] == "The nightly run failed: https://example.org/run/1"
        told = [line for line in body if "WRONG" in line]
        assert len(told) == min(lines, 25) and all(line.startswith("    ") for line in told)
        assert ("    01:17:00 the last thing it said" in body) is (lines == 0)


def script_of(name: str) -> str:
    text: str = next(step for step in steps(WORKFLOWS[1]) if step.get("name") == name)["run"]
    return text


def carried_out(script: str, folder: Path, **environment: str) -> int:
    """Run a step's script as the runner does, in `folder`; its exit status."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.returncode


def test_no_result_of_an_earlier_night_is_left_to_be_published(tmp_path: Path) -> None:
    script, out = script_of("A folder for the results"), tmp_path / "labgrader-nightly"
    (upload,) = [step for step in steps(WORKFLOWS[1]) if "upload-artifact" in step.get("uses", "")]
    published = re.findall(r"env\.OUT \}\}/(\S+)", upload["with"]["path"])
    assert {"junit.xml", "report.html", "nightly.log"} <= set(published)

    def begin(run: str) -> None:
        variables = tmp_path / "variables"
        assert (
            carried_out(script, tmp_path, HOME=str(tmp_path), GITHUB_ENV=str(variables), GITHUB_RUN_ID=run)
            == 0
        )
        assert f"OUT={out}\n" in variables.read_text()

    begin("1")
    for name in published:
        (out / name).write_text("of run 1")
    begin("1")  # run once more after a reboot: the log goes on, what is written at the end is still to come
    assert {path.name for path in out.iterdir()} == {"run", "nightly.log"}
    for name in published:
        (out / name).write_text("of run 1")
    begin("2")
    assert {path.name for path in out.iterdir()} == {"run"}


@pytest.mark.parametrize("lacking", ["netns", "vagrant", "none"])
def test_the_doctor_looks_at_both_providers_whatever_the_first_lacks(tmp_path: Path, lacking: str) -> None:
    lab = tmp_path / "lab"
    lab.write_text(f'#!/bin/sh\necho "looked at $3"\n[ "$3" != {lacking} ]\n')
    lab.chmod(0o755)
    status = carried_out(script_of("Doctor"), tmp_path, OUT=str(tmp_path))
    assert (tmp_path / "doctor.txt").read_text() == "looked at netns\nlooked at vagrant\n"
    assert status == (0 if lacking == "none" else 1)


def test_the_issue_tells_what_the_doctor_found_lacking(tmp_path: Path) -> None:
    (tmp_path / "doctor.txt").write_text("lacks  Vagrant: x\n" + "ok     y\n" * 60)
    gh = tmp_path / "gh"
    gh.write_text("#!/bin/sh\nexit 0\n")
    gh.chmod(0o755)
    places = {"OUT": str(tmp_path), "RUNNER_TEMP": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert carried_out(script_of("Tell it in an issue"), tmp_path, RUN="https://example.org", **places) == 0
    assert "    lacks  Vagrant: x" in (tmp_path / "nightly-issue.md").read_text().splitlines()


def test_the_issue_tells_that_nothing_came_from_the_runner(tmp_path: Path) -> None:
    gh = tmp_path / "gh"
    gh.write_text("#!/bin/sh\nexit 0\n")
    gh.chmod(0o755)
    places = {"OUT": "results", "RUNNER_TEMP": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert carried_out(script_of("Tell it in an issue"), tmp_path, RUN="https://example.org", **places) == 0
    body = (tmp_path / "nightly-issue.md").read_text()
    assert "it may be switched off" in body and "run the failed job once more" in body


def test_the_cache_is_where_the_job_writes_and_its_key_has_all_that_a_box_is_made_of() -> None:
    job = loaded(WORKFLOWS[0])["jobs"]["virtual-machines"]
    assert "XDG_CACHE_HOME" not in job.get("env", {}), "in a container github.workspace is the host's path"
    (place,) = [step["run"] for step in job["steps"] if "XDG_CACHE_HOME" in step.get("run", "")]
    (cache,) = [step["with"] for step in job["steps"] if "actions/cache" in step.get("uses", "")]
    assert place == 'echo "XDG_CACHE_HOME=$GITHUB_WORKSPACE/.ci-cache" >> "$GITHUB_ENV"'
    assert cache["path"] == ".ci-cache/labgrader"
    assert job["container"]["image"] == "debian:12" and "boxes-debian-12-${{ runner.arch }}" in cache["key"]
    patterns = re.findall(r"'([^']+)'", cache["key"])
    covered = {path for pattern in patterns for path in glob.glob(pattern, root_dir=ROOT, recursive=True)}
    made_of = [*box.sources(), Path(packages.__file__), Path(image.__file__)]
    assert {str(path.relative_to(ROOT)) for path in made_of} <= covered


def texts() -> list[tuple[str, str]]:
    shell = [(path.name, step["run"]) for path in WORKFLOWS for step in steps(path) if "run" in step]
    return [*shell, (PAGE.name, PAGE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("name", "text"), texts())
def test_every_command_of_ours_is_one_that_there_is(name: str, text: str) -> None:
    contexts = command_line.contexts_of(Collection.from_module(tasks))
    for match in COMMAND.finditer(text):
        words = match[1].replace('"', "").replace("$EVERY", "1").split()
        command_line.checked(words, contexts)


def test_commands_are_found_at_all() -> None:
    found = [match[1].strip() for _, text in texts() for match in COMMAND.finditer(text)]
    assert "nightly --providers netns,vagrant --unfinished" in found
    assert "nightly --providers netns,vagrant --out nightly" in found
    assert len(found) >= 12


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not applicable: there is no systemd-analyze on this machine")
    for other, text in UNITS.items():
        (tmp_path / other).write_text(text.replace("/srv/labgrader", str(ROOT)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, name in done.stderr) == (0, False), done.stderr


def test_units_go_together() -> None:
    assert set(UNITS) == {
        "labgrader-nightly.service", "labgrader-nightly.timer",
        "labgrader-nightly-resume.service", "labgrader-nightly-resume.timer",
    }  # fmt: skip
    assert "Persistent=true" in UNITS["labgrader-nightly.timer"]
    assert "OnBootSec=" in UNITS["labgrader-nightly-resume.timer"]
    starts = [
        re.search(r"^ExecStart=(.*)$", UNITS[f"labgrader-nightly{x}.service"], re.M) for x in ("", "-resume")
    ]
    assert starts[0] and starts[1]
    assert starts[1][1] == f"{starts[0][1]} --unfinished", "only the same command goes on"


def test_the_pipeline_is_balanced_and_keeps_what_nightly_writes() -> None:
    groovy = re.search(r"```groovy\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert groovy
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", groovy[1])
    for opening, closing in ("{}", "()"):
        assert bare.count(opening) == bare.count(closing)
    assert "nightly/junit.xml" in groovy[1]
    assert groovy[1].index("archiveArtifacts") < groovy[1].index("'./lab clean && ./lab machines --remove'")
