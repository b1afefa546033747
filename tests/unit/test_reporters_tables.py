"""gradebook.csv, JUnit XML and Gradescope's JSON, against the rules of who reads them."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from labgrader.errors import UsageError
from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import Outcome
from labgrader.reporters import ALWAYS, FORMATS, classroom, gradebook, gradescope, junit, render
from labgrader.reporters.written import file_names
from tests.golden.class_samples import CLASS, HOSTILE
from tests.golden.reports import FULL_MARKS, LONG_PRINTOUT
from tests.unit.cells import DELIMITERS, FORMULAS, formulas


def table(results: ClassResults = CLASS) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gradebook.render(results).decode("utf-8-sig"), newline="")))


def test_every_student_has_a_line_of_the_gradebook() -> None:
    lines = table()
    assert len(lines) == len(CLASS.rows)
    assert [line["score"] for line in lines] == ["100", "15", "70", "0", "", "", "15"]
    assert [line["status"] for line in lines][3:6] == ["rejected", "incomplete", "missing"]
    assert [line["late"] for line in lines].count("late") == 1
    assert lines[1]["starts"] == "15" and lines[1]["reachable_from_v1"] == "0"


def test_who_has_no_score_has_no_points_either_and_a_reason() -> None:
    for line in table():
        if not line["score"]:
            assert {line[check.id] for check in CLASS.checks} == {""}
            assert line["problem"]


def test_the_mark_in_front_can_be_left_out() -> None:
    assert gradebook.render(CLASS).startswith(b"\xef\xbb\xbfstudent,")
    assert gradebook.render(CLASS, bom=False).startswith(b"student,")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@SUM(A1)", "＝1", " =1", "\t=1", "\r\n=1"])
def test_a_formula_is_a_text(text: str) -> None:
    assert gradebook.harmless(text).startswith("'")


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula_whatever_separates_cells(name: str) -> None:
    row = replace(CLASS.rows[5], student=name, name=name, email=name, problem=name)
    results = replace(CLASS, rows=(CLASS.rows[0], row))
    data = gradebook.render(results).decode("utf-8-sig")
    for delimiter in DELIMITERS:
        assert formulas(data, delimiter) == []
    assert table(results)[0]["name"] == "Alice Liddell"


def test_names_that_are_no_formula_stay_as_they_are() -> None:
    for name in ("Jean-Luc O'Neil", "Lovelace, Ada", "a@b.org", "x; y", "1+1=2", "Smith - Jones"):
        assert gradebook.harmless(name) == name


# The rules of Ant's JUnitReport schema (github.com/windyroad/JUnit-Schema, JUnit.xsd), which Jenkins's and
# GitLab's readers are wider than: what each element must have, and in which order its children stand.
NEEDED = {
    "testsuites": set(),
    "testsuite": {
        "package", "id", "name", "timestamp", "hostname", "tests", "failures", "errors", "time",
    },
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type"},
    "error": {"type"},
    "skipped": set(),
    "system-out": set(),
    "system-err": set(),
}  # fmt: skip
ALLOWED = {
    "testsuite": {"skipped"},
    "failure": {"message"},
    "error": {"message"},
    "skipped": {"message", "type"},
}
CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"properties (testcase )*system-out system-err ",
    "properties": r"(property )*",
    "testcase": r"((skipped|error|failure) )?",
}


def check_junit(data: bytes) -> ElementTree.Element:
    """The document, once it keeps every rule of the schema."""
    root = ElementTree.fromstring(data)
    assert root.tag == "testsuites"
    for element in root.iter():
        names = set(element.keys())
        assert NEEDED[element.tag] <= names <= NEEDED[element.tag] | ALLOWED.get(element.tag, set())
        assert re.fullmatch(CHILDREN.get(element.tag, ""), "".join(f"{child.tag} " for child in element))
        for name in ("time", "tests", "failures", "errors", "skipped", "id"):
            if name in names:
                assert float(element.attrib[name]) >= 0
        if element.tag in ("testsuite", "property"):
            assert element.attrib["name"].strip()
    for number, suite in enumerate(root):
        assert suite.attrib["id"] == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[name]) == len(suite.findall(f"testcase/{tag}"))
    return root


def properties(suite: ElementTree.Element) -> dict[str, str]:
    return {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}


def test_junit_keeps_the_schema_and_tells_wrong_from_ours() -> None:
    alice, bob, _, carol, dave, erin, _ = check_junit(junit.render(CLASS))
    assert properties(alice)["score"] == "100" and alice.find("testcase/failure") is None
    assert [item.attrib["type"] for item in bob.iter("failure")] == ["fail"] * 2 + ["blocked"] * 4
    assert properties(bob)["points.starts"] == "15/15" and properties(bob)["points.prints_message"] == "0/20"
    assert [item.attrib["type"] for item in carol.iter("failure")] == ["rejected"]
    assert dave.find("testcase/failure") is None and len(dave.findall("testcase/error")) == 6
    assert "score" not in properties(dave) and "score" not in properties(erin)
    assert [item.attrib["type"] for item in erin.iter("skipped")] == ["missing"]


def test_whose_case_it_is_is_seen_where_only_class_and_name_are_listed() -> None:
    """As Jenkins lists them (junit-plugin, CaseResult: the package ends at the last dot) and GitLab does."""
    rows = [
        replace(CLASS.rows[1], student=name)
        for name in ("a.b@example.org", "a_b@example.org", "bob", HOSTILE)
    ]
    root = check_junit(junit.render(replace(CLASS, rows=tuple(rows))))
    classes = [{case.attrib["classname"] for case in suite.iter("testcase")} for suite in root]
    assert [len(names) for names in classes] == [1, 1, 1, 1] and len(set().union(*classes)) == 4
    assert [name.rpartition(".")[0] for names in classes for name in names] == ["tcp-server"] * 4
    assert classes[2] == {"tcp-server.bob"}


def test_a_class_without_students_is_an_empty_document() -> None:
    assert len(check_junit(junit.render(replace(CLASS, rows=())))) == 0


# gradescope-autograders.readthedocs.io/en/latest/specs/, "Output format".
TOP = {
    "score", "execution_time", "output", "output_format", "test_output_format", "test_name_format",
    "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
}  # fmt: skip
TEST = {
    "score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags",
    "visibility", "extra_data",
}  # fmt: skip
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}


def check_gradescope(data: bytes, graded: bool) -> dict[str, Any]:
    """The results, once they keep every rule of Gradescope's page."""
    found: dict[str, Any] = json.loads(data)
    assert found.keys() <= TOP
    # Without it the output at the top would be shown as HTML, and that of a test as its default, plain text.
    assert found["output_format"] == found["test_output_format"] == found["test_name_format"] == "text"
    assert found["stdout_visibility"] in VISIBLE
    tests = found.get("tests", [])
    assert None not in found.values()
    assert ("score" in found or (bool(tests) and all("score" in test for test in tests))) == graded
    for test in tests:
        assert test.keys() <= TEST and None not in test.values()
        assert test.get("status", "passed") in {"passed", "failed"}
        assert test.get("visibility", "visible") in VISIBLE
        assert 0 <= test.get("score", 0) <= test.get("max_score", 0)
    return found


def test_gradescope_keeps_its_page_and_shows_no_score_of_ours() -> None:
    written = gradescope.render(CLASS)
    assert len(written.files) == 6 and [line.split(":")[0] for line in written.told] == ["erin"]
    for row in CLASS.rows:
        path = f"gradescope/{row.student}/results.json"
        if path in written.files:
            found = check_gradescope(written.files[path], row.score is not None)
            assert found.get("score") == row.score
    dave = json.loads(written.files["gradescope/dave/results.json"])
    assert "tests" not in dave and "graded again" in dave["output"]
    bob = json.loads(written.files["gradescope/bob/results.json"])
    assert sum(test["score"] for test in bob["tests"]) == bob["score"] == 15
    assert "after the deadline" in bob["output"]


def test_a_hidden_check_is_hidden_or_says_nothing() -> None:
    row = Row("x", report=LONG_PRINTOUT)
    hidden = gradescope.one(row, LONG_PRINTOUT)["tests"][-1]
    assert hidden["visibility"] == "hidden" and "secret" in hidden["output"]
    published = gradescope.one(row, LONG_PRINTOUT, "after_published")["tests"][-1]
    assert published["visibility"] == "after_published" and published["output"] == ""
    assert "secret" not in json.dumps(classroom.one(LONG_PRINTOUT))


def test_a_quarantined_check_costs_nothing_anywhere() -> None:
    checks = (replace(FULL_MARKS.checks[0], outcome=Outcome.ERROR, points=0.0, quarantined=True),)
    report = replace(FULL_MARKS, checks=checks + FULL_MARKS.checks[1:])
    results = replace(CLASS, rows=(Row("x", report=report),))
    suite = check_junit(junit.render(results))[0]
    assert suite.attrib["errors"] == "0" and suite.attrib["skipped"] == "1"
    assert classroom.one(report)["status"] == "pass"
    assert all(test["status"] == "passed" for test in gradescope.one(results.rows[0], report)["tests"])
    assert table(results)[0]["starts"] == ""


def test_file_names_are_safe_and_each_students_own() -> None:
    students = [
        "../../etc/passwd",
        "",
        ".",
        "CON",
        "a/b",
        "a\\b",
        "A_b",
        HOSTILE,
        "é",
        "é",
        "张三",
        "x" * 500,
    ]
    names = file_names(students)
    assert len({name.casefold() for name in names}) == len(students)
    for name in names:
        assert re.fullmatch(r"[\w][\w.-]*", name) and len(name.encode()) < 120
    assert names[10] == "张三"


def test_every_format_that_needs_nothing_is_written_under_its_name() -> None:
    for name in ALWAYS:
        for path in render(name, CLASS).files:
            assert path.startswith(FORMATS[name].file)


@pytest.mark.parametrize("name", ["xls", "canvas", "moodle"])
def test_an_unknown_format_or_a_missing_template_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError, match=f"--as {name}:? (there is|writes .* with --template)"):
        render(name, CLASS)
