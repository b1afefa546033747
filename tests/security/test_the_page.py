"""docs/security.md keeps its word: each row has a test, each test is there, and each program is in a row."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#]+)\)")


def rows() -> list[list[str]]:
    """The cells of each attack of the table."""
    text = PAGE.read_text().partition("## Attack by attack")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "attack",
        "what comes of it",
        "tried by",
    ]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [row for row in cells if not row[0].startswith("**")]


def test_every_attack_has_something_that_tries_it() -> None:
    assert len(rows()) >= 45
    for row in rows():
        assert len(row) == 3 and row[1] and LINK.search(row[2]), row


def test_what_is_named_is_there() -> None:
    named = [(match, row[0]) for row in rows() for match in LINK.finditer(row[2])]
    assert len(named) > 120
    for match, attack in named:
        path = (PAGE.parent / match[2]).resolve()
        assert path.exists() and path.is_relative_to(ROOT), f"{attack}: {match[2]}"
        if match[1].startswith("test_") and match[1] != path.stem:
            assert f"\ndef {match[1]}(" in path.read_text(), f"{attack}: {match[1]} is not in {match[2]}"
        elif path.is_dir():
            assert (path / "expect").exists() or (path / "mutant.yaml").exists(), match[2]


def test_every_program_that_attacks_is_in_a_row() -> None:
    named = {(PAGE.parent / match[2]).resolve() for row in rows() for match in LINK.finditer(row[2])}
    there = ROOT / "tests" / "submissions"
    programs = [
        *(there / "hostile").glob("*.py"),
        *(there / "cheats").glob("*.py"),
        *(there / "cheats-network").iterdir(),
    ]
    assert len(programs) > 90
    assert sorted(str(path.relative_to(there)) for path in programs if path.resolve() not in named) == []
