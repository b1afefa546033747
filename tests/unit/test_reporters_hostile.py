"""Whatever a student, a file name or a machine says: no format carries it to its reader alive."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labgrader.model.class_results import CheckColumn, ClassResults, Row
from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status
from labgrader.reporters import ALWAYS, FORMATS, render
from tests.golden.class_samples import CLASS
from tests.golden.reports import FULL_MARKS
from tests.unit.cells import DELIMITERS, formulas
from tests.unit.test_reporters_classroom import is_a_command, logged
from tests.unit.test_reporters_html import check_page
from tests.unit.test_reporters_tables import check_gradescope, check_junit
from tests.unit.test_reporters_templates import (
    CANVAS,
    ENGLISH,
    canvas_imports,
    moodle_imports,
)

ATTEMPTS = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\n", "\t", "\x00", "\u202e", "\u2066", "\ufeff",
    "\ud800", "\ufffe", "=1+1", "+1", "-1", "@SUM(A1)", "<script>alert(1)</script>", "</style>", "</title>",
    "-->", "]]>", "&amp;", "&#27;", '"', "'", '\\"', "\\", ",", ";", "{{ 7*7 }}", "{% raw %}", "javascript:",
    "../..", "%", "#", "张三", " ", "::add-mask::a", "##[add-mask]a",
]  # fmt: skip
TEXT = st.text(st.characters(), max_size=40) | st.lists(st.sampled_from(ATTEMPTS), max_size=6).map("".join)
EVIDENCE = st.lists(st.builds(Evidence, TEXT, TEXT), max_size=2).map(tuple)
CHECK = st.builds(
    CheckResult, TEXT, TEXT, st.just(20.0), st.sampled_from(Outcome), TEXT, st.none() | TEXT,
    st.none() | TEXT, st.booleans(), st.just(0.5), EVIDENCE, st.booleans(),
)  # fmt: skip


@st.composite
def classes(draw: st.DrawFn) -> ClassResults:
    """A class of two students: one of them hostile in every text, and one honest, `alice`."""
    checks = tuple(draw(st.lists(CHECK, min_size=1, max_size=3)))
    report = replace(
        FULL_MARKS, lab=draw(TEXT), student=draw(TEXT), status=draw(st.sampled_from(Status)), checks=checks,
        error=draw(st.none() | TEXT), notes=(draw(TEXT),), started=draw(TEXT), finished=draw(TEXT),
    )  # fmt: skip
    row = Row(
        draw(TEXT), draw(st.none() | TEXT), draw(st.none() | TEXT), draw(TEXT), {"canvas": draw(TEXT)},
        draw(st.booleans()), draw(st.none() | TEXT), (draw(TEXT),), *draw(result_of(report)),
    )  # fmt: skip
    columns = tuple(CheckColumn(check.id, check.title, check.points, check.hidden) for check in checks)
    return replace(
        CLASS, lab=draw(TEXT), title=draw(TEXT), checks=columns, rows=(CLASS.rows[0], row), started=draw(TEXT)
    )


def result_of(report: Report) -> st.SearchStrategy[tuple[Report | None, str | None]]:
    """The report, or a problem instead of it."""
    return st.just((report, None)) | TEXT.map(lambda text: (None, text))


SLOWLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_harmless(text: str) -> bool:
    """Whether there is nothing in it but printable characters, blanks and line ends."""
    return all(c == "\n" or c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


def is_part_of_a_path(name: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*", name) is not None


@SLOWLY
@given(classes())
def test_no_format_that_is_always_written_carries_it_alive(results: ClassResults) -> None:
    for name in ALWAYS:
        for path, data in render(name, results).files.items():
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
            assert is_harmless(text), name
            assert path.startswith(FORMATS[name].file) and all(map(is_part_of_a_path, path.split("/")))
            if name == "junit":
                assert len(check_junit(data)) == 2
            elif name == "html":
                check_page(data)
            elif name == "gradescope":
                row = results.rows[1] if "alice" not in path else results.rows[0]
                check_gradescope(data, row.score is not None)
            elif name == "classroom":
                result = json.loads(data)
                assert all(is_harmless(test["message"] + test["name"]) for test in result["tests"])
                assert not any(map(is_a_command, logged(result)))
            else:
                lines = list(csv.reader(io.StringIO(text)))
                assert len(lines) == 3 and len({len(line) for line in lines}) == 1
                for delimiter in DELIMITERS:
                    assert formulas(text, delimiter) == []


@SLOWLY
@given(classes())
def test_what_is_filled_into_an_export_is_numbers_and_our_own_tags(results: ClassResults) -> None:
    for name, template in (("canvas", CANVAS), ("moodle", ENGLISH)):
        written = render(name, results, template=template.encode(), column="TCP server")
        (data,) = written.files.values()
        assert all(map(is_harmless, written.told))
        assert "\n" not in "".join(written.told)
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        assert is_harmless(text)
        if name == "canvas":
            assert canvas_imports(data, "TCP server (42)")[501] == "50"
        else:
            found = moodle_imports(data)
            assert len(found) == 5 and found[1001][0] == "10"


@SLOWLY
@given(classes())
def test_feedback_for_moodle_is_our_own_tags_and_text(results: ClassResults) -> None:
    row = replace(results.rows[1], keys={"moodle": "1002"})
    written = render("moodle", replace(results, rows=(row,)), template=ENGLISH.encode())
    found = moodle_imports(written.files["moodle.csv"])
    assert len(found) == 5
    text = written.files["moodle.csv"].decode("utf-8-sig")
    for delimiter in DELIMITERS:
        assert formulas(text, delimiter) == formulas(ENGLISH.lstrip("\ufeff"), delimiter)
    if row.score is not None:
        feedback = found[1002][1]
        assert not re.search(r"<(?!/?[pb]>|br>)", feedback) and not re.search(r"[\\\"']", feedback)
