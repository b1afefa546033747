"""The pages of the documentation, taken apart: headings, links, marked blocks, tables of keys.

Marks are HTML comments in the lines above a fenced block, so that a reader never sees them:
    <!-- run -->            the commands after `$ ` are run, and what follows each is compared
    <!-- run, exit 2 -->    the same; the last command ends with this exit status
    <!-- with: FILE | OLD | NEW -->   before a run: OLD is replaced in a fresh copy of the example's FILE
    <!-- file: FILE -->     the block is this file of the page's example
    <!-- keys: NAME -->     the table below has a line for each key of NAME, and no other
    <!-- snippet -->        the block is run as a check of the lab network-services
In an expected output `…` stands for anything within a line, and alone in a line for any lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_MARK = re.compile(r"<!-- (run|with|file|keys|snippet)\b[:,]? ?(.*?) ?-->\Z")
_FENCE = re.compile(r"```(\w*)\Z")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A marked block: `line` is the 1-based line of its first text line, `marks` in their order."""

    page: Path
    line: int
    marks: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def mark(self, name: str) -> str | None:
        """What the first mark of this name says; None if there is none."""
        return next((value for key, value in self.marks if key == name), None)


@dataclass(frozen=True)
class Step:
    """One command of a console block and the output that the page promises."""

    command: str
    expected: tuple[str, ...]


def blocks(page: Path) -> list[Block]:
    """Every block of the page that carries a mark: fenced ones, and tables."""
    found = []
    marks: list[tuple[str, str]] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        mark = _MARK.match(line.strip())
        if mark is not None:
            marks.append((mark[1], mark[2]))
        elif _FENCE.match(line) or (marks and line.startswith("|")):
            table = line.startswith("|")
            start = number - 1 if table else number
            end = start
            while end < len(lines) and (lines[end].startswith("|") if table else lines[end] != "```"):
                end += 1
            if marks:
                found.append(Block(page, start + 1, tuple(marks), tuple(lines[start:end])))
            marks, number = [], end if table else end + 1
        elif line.strip():
            marks = []
    return found


def steps(block: Block) -> list[Step]:
    """The commands of a console block, each with what the page shows after it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block.place}: output before the first command"
            found[-1][1].append(line)
    return [Step(command, tuple(expected)) for command, expected in found]


def agrees(expected: tuple[str, ...], seen: list[str]) -> bool:
    """Whether the output is what the page shows; trailing blank lines do not count."""
    parts = []
    for line in expected:
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.rstrip().split("…")) + r"\n")
    text = "".join(f"{line.rstrip()}\n" for line in seen).strip("\n") + "\n"
    return re.fullmatch(rf"\n*{''.join(parts)}\n*", text) is not None


def rows(block: Block) -> list[list[str]]:
    """The cells of a table below its heading, markup of code taken off."""
    table = [line for line in block.lines if line.startswith("|")]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table[2:]
    ]


def links(page: Path) -> list[tuple[int, str]]:
    """The targets of the page's links with their 1-based lines, those in fenced blocks left out."""
    found = []
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            found += [(number, target) for target in _LINK.findall(line)]
    return found


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the page's headings."""
    found = set()
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and line.startswith("#"):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(words.replace(" ", "-"))
    return found
