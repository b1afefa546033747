"""What the pages show is what the program does: marked blocks are run as they are written.

After a deliberate change of words: LABGRADER_WRITE_DOCS=1 ./lab test tests/docs, and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labgrader.providers.netns import image
from tests.docs.pages import PAGES, ROOT, Block, Step, agrees, blocks, steps

RUN_S = 300
MARKED = [block for page in PAGES for block in blocks(page)]
RUNS = [block for block in MARKED if block.mark("run") is not None]

Workspace = Callable[[Block], Path]


@pytest.fixture(scope="session")
def hosts_image() -> None:
    """The hosts' image, so that no page's output begins with its making."""
    image.ensure()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Makes a folder that looks like the checkout from within, with the page's example among the labs."""

    def make(block: Block) -> Path:
        folder = tmp_path / "labgrader"
        (folder / "labs").mkdir(parents=True)
        for entry in ROOT.iterdir():
            if entry.name != "labs":
                (folder / entry.name).symlink_to(entry)
        for entry in (ROOT / "labs").iterdir():
            (folder / "labs" / entry.name).symlink_to(entry)
        for other in MARKED:
            name = other.mark("file")
            if name is not None and other.page == block.page:
                path = folder / name
                assert not path.exists(), f"{other.place}: {name} is there already"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(other.text, encoding="utf-8")
        for mark, value in block.marks:
            if mark == "with":
                name, old, new = value.split(" | ")
                text = (folder / name).read_text(encoding="utf-8")
                assert old in text, f"{block.place}: {name} does not hold {old!r}"
                (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return make


def _case(block: Block) -> Any:
    proves = any("./lab prove" in step.command for step in steps(block))
    return pytest.param(block, id=block.place, marks=[pytest.mark.slow] if proves else [])


@pytest.mark.namespaces
@pytest.mark.parametrize("block", [_case(block) for block in RUNS])
def test_block_does_what_the_page_shows(block: Block, workspace: Workspace, hosts_image: None) -> None:
    folder = workspace(block)
    wanted = re.search(r"exit (\d+)", block.mark("run") or "")
    outputs = []
    for number, step in enumerate(steps(block)):
        last = number == len(steps(block)) - 1
        status = int(wanted[1]) if wanted and last else 0
        outputs.append(_output(step, folder, status))
    right = [agrees(step.expected, seen) for step, seen in zip(steps(block), outputs, strict=True)]
    if os.environ.get("LABGRADER_WRITE_DOCS") == "1" and not all(right):
        _write(block, outputs, right)
        return
    for step, seen, same in zip(steps(block), outputs, right, strict=True):
        assert same, f"{block.place}: $ {step.command} printed\n" + "\n".join(seen)


def _output(step: Step, folder: Path, status: int) -> list[str]:
    environment = {**os.environ, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=RUN_S,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace").replace(f"{folder}/", "")
    assert done.returncode == status, f"$ {step.command} ended with {done.returncode}:\n{text}"
    return [line.rstrip() for line in text.splitlines()]


def _write(block: Block, outputs: list[list[str]], right: list[bool]) -> None:
    """Put what was seen in place of what the page shows; a block that agrees keeps its `…`."""
    new = []
    for step, seen, same in zip(steps(block), outputs, right, strict=True):
        new += [f"$ {step.command}", *(step.expected if same else seen)]
    # Read again: what was written before this block has moved it.
    place = next(b for b in blocks(block.page) if (b.marks, b.lines) == (block.marks, block.lines)).line - 1
    lines = block.page.read_text(encoding="utf-8").splitlines()
    lines[place : place + len(block.lines)] = new
    block.page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_readme_shows_a_full_score_and_a_failing_one() -> None:
    shown = [step for block in RUNS if block.page.name == "README.md" for step in steps(block)]
    scores = {line.strip() for step in shown for line in step.expected if "Score:" in line}
    assert "Score: 100 of 100" in scores
    assert len(scores) > 1


def test_every_console_block_with_lab_commands_is_run() -> None:
    """A block that shows ./lab must be marked, or say why it is not: as `sh`, without output."""
    for page in PAGES:
        marked = {block.line for block in blocks(page)}
        lines = page.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if line == "```console":
                assert number + 1 in marked, f"{page.relative_to(ROOT)}:{number}: not marked to be run"
