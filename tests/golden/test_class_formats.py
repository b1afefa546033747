"""A class's results in every format, byte for byte: tests/golden/class/ is what is written.

After a deliberate change: LABGRADER_WRITE_GOLDEN=1 pytest tests/golden, and read the difference.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from labgrader.reporters import FORMATS, render
from tests.golden.class_samples import CLASS
from tests.unit.test_reporters_templates import CANVAS, ENGLISH

HERE = Path(__file__).parent / "class"
TEMPLATES = {"canvas": CANVAS.encode(), "moodle": ENGLISH.encode()}
# The hostile student is the matter of other tests; a file with such a name is hard to read in a review.
HONEST = replace(CLASS, rows=CLASS.rows[:-1])


def written(name: str) -> dict[str, bytes]:
    """The files of one format, and what the instructor is told of them."""
    found = render(name, HONEST, template=TEMPLATES.get(name), column="TCP server")
    told = "".join(f"{line}\n" for line in found.told).encode()
    return {**found.files, **({f"{name}.told.txt": told} if told else {})}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_written_as_it_was_agreed(name: str) -> None:
    for path, data in written(name).items():
        if os.environ.get("LABGRADER_WRITE_GOLDEN"):
            (HERE / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / path).write_bytes(data)
        assert data == (HERE / path).read_bytes()


def test_every_file_belongs_to_a_format() -> None:
    there = {str(path.relative_to(HERE)) for path in HERE.rglob("*") if path.is_file()}
    assert there == {path for name in FORMATS for path in written(name)}
