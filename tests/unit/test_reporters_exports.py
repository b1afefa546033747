"""What the instructor is told of an export, and of the cells in it that are left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgrader.batch import exports
from labgrader.errors import UsageError
from labgrader.reporters import canvas, moodle
from tests.golden.class_samples import CLASS
from tests.unit.test_reporters_templates import BOM, CANVAS, ENGLISH, canvas_imports


@pytest.mark.parametrize(
    ("cell", "said"), [("EX", "is excused"), ("ex", "is excused"), ("N/A", "not have this assignment")]
)
def test_who_is_excused_in_canvas_stays_excused_and_is_told(cell: str, said: str) -> None:
    export = CANVAS.replace('Lab 1, and Lab 2",9,,90', f'Lab 1, and Lab 2",9,{cell},90')
    written = canvas.render(CLASS, export.encode(), "TCP server")
    found = canvas_imports(written.files["canvas.csv"], "TCP server (42)")
    assert found[501] == cell and found[502] == "7.5"
    assert [line for line in written.told if said in line and "alice" in line and "50" in line]


def test_whose_grade_moodle_will_not_change_is_told() -> None:
    locked = ENGLISH.replace('"Submitted for grading",,10.00,Yes', '"Submitted for grading",,10.00,No')
    assert locked != ENGLISH
    told = [line for line in moodle.render(CLASS, locked.encode()).told if "cannot be changed" in line]
    assert [line.partition(":")[0] for line in told] == ["alice"]
    assert not [line for line in moodle.render(CLASS, ENGLISH.encode()).told if "cannot be changed" in line]


def test_of_many_columns_it_is_told_that_there_are_more() -> None:
    many = ",".join(f"Quiz {n} ({n})" for n in range(40))
    with pytest.raises(UsageError, match=r"«Quiz 29 \(29\)» and 10 more\.$"):
        canvas.render(CLASS, f"Student,ID,Section,{many}\n".encode(), "Exam")


@pytest.mark.parametrize("column", [None, "Quiz"])
def test_a_column_that_is_not_there_is_told_in_one_sentence_before_anything_is_graded(
    tmp_path: Path, column: str | None
) -> None:
    export = tmp_path / "canvas.csv"
    export.write_bytes(CANVAS.encode())
    with pytest.raises(UsageError) as told:
        exports.tried([str(export)], column)
    said = told.value.message
    assert said.startswith("--column") and said.endswith("has «Warm-up (41)», «TCP server (42)».")
    assert "oodle" not in said and said.count(". ") == 0


def test_an_export_is_known_by_itself_and_any_other_file_by_its_first_line(tmp_path: Path) -> None:
    contents = {
        "canvas": CANVAS.encode(),
        "moodle": ENGLISH.encode(),
        "other": f"{BOM}a,b,c\n1,2,3\n".encode(),
    }
    paths = {name: tmp_path / f"{name}.csv" for name in contents}
    for name, data in contents.items():
        paths[name].write_bytes(data)
    found = exports.tried([str(paths["moodle"]), str(paths["canvas"])], "TCP server")
    assert found == {name: contents[name] for name in ("canvas", "moodle")}
    with pytest.raises(UsageError, match="as none of canvas, moodle: its first line is «a,b,c»"):
        exports.tried([str(paths["other"])], "TCP server")
    with pytest.raises(UsageError, match="canvas has one already"):
        exports.tried([str(paths["canvas"])] * 2, "TCP server")
