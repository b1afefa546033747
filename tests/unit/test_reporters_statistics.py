"""A class's sums, and reports that are read back from their JSON form."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.batch import tables
from labgrader.model import class_results
from labgrader.model.class_results import ClassResults, Row
from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status
from labgrader.reporters import class_html, junit
from tests.golden.class_samples import CLASS
from tests.golden.reports import ALL, FULL_MARKS, INCOMPLETE, REJECTED

TEXT = st.text(max_size=20)
POINTS = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 4))
CHECK = st.builds(
    CheckResult, TEXT, TEXT, POINTS, st.sampled_from(Outcome), TEXT, st.none() | TEXT, st.none() | TEXT,
    st.booleans(), POINTS, st.lists(st.builds(Evidence, TEXT, TEXT), max_size=2).map(tuple), st.booleans(),
)  # fmt: skip
LIMITS = st.dictionaries(TEXT, st.fixed_dictionaries({"value": POINTS, "held_by": TEXT}), max_size=2)
REPORT = st.builds(
    Report, TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.integers(0, 65535)), TEXT, st.none() | TEXT, POINTS,
    st.sampled_from([Status.GRADED, Status.INCOMPLETE]), st.lists(CHECK, max_size=3).map(tuple),
    st.none() | TEXT,
    st.lists(TEXT, max_size=2).map(tuple), LIMITS,
    st.dictionaries(TEXT, POINTS, max_size=2), TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=2),
)  # fmt: skip


@given(REPORT)
def test_a_report_read_back_is_the_report(report: Report) -> None:
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.parametrize("name", ALL)
def test_samples_read_back_are_the_samples(name: str) -> None:
    assert Report.from_json(ALL[name].to_json()) == ALL[name]


def test_the_score_of_a_rejected_report_comes_back() -> None:
    assert Report.from_json(replace(REJECTED, rejected_score=5.0).to_json()).score == 5.0


def test_a_report_without_later_fields_and_with_unknown_ones_is_read() -> None:
    data = FULL_MARKS.to_json()
    data["later"] = 1
    for check in data["checks"]:
        del check["quarantined"]
    assert Report.from_json(data) == FULL_MARKS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "labgrader.report/2"),
        ("status", "won"),
        ("possible", "100"),
        ("possible", float("nan")),
        ("possible", True),
        ("checks", {}),
        ("checks", [1]),
        ("notes", None),
        ("student", 7),
        ("limits", []),
    ],
)
def test_a_damaged_report_is_named_by_its_field(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="check" if key == "checks" else key):
        Report.from_json({**FULL_MARKS.to_json(), key: value})


def test_what_is_no_object_is_no_report() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        Report.from_json([])


def test_counts_of_the_sample() -> None:
    found = class_results.counts(CLASS)
    assert (found.students, found.graded, found.full) == (7, 4, 1)
    assert (found.rejected, found.incomplete, found.missing, found.late) == (1, 1, 1, 1)


def test_a_grading_under_way_calls_nobody_missing_who_has_handed_in() -> None:
    rows = (*CLASS.rows[:1], replace(CLASS.rows[5], waiting=True))
    under_way = replace(CLASS, rows=rows, finished="")
    counts = class_results.counts(under_way)
    assert (counts.missing, counts.waiting) == (0, 1)
    said = tables.summary(under_way)
    assert "1 not graded yet" in said and "without a submission" not in said
    page = class_html.render(under_way).decode()
    assert "not finished yet" in page and ">waiting</span>" in page and " to </p>" not in page
    case = ElementTree.fromstring(junit.render(under_way)).findall("testsuite/testcase")[-1]
    assert case.attrib["name"] == "The grading has come to it" and case[0].attrib["type"] == "waiting"


def test_incomplete_and_missing_are_in_no_mean() -> None:
    assert class_results.scores(CLASS) == [100.0, 15.0, 70.0, 0.0, 15.0]
    assert class_results.mean(CLASS) == 40.0
    assert class_results.median(CLASS) == 15.0
    nobody = replace(CLASS, rows=(Row("dave", report=INCOMPLETE), Row("erin", problem="Missing.")))
    assert class_results.mean(nobody) is None
    assert class_results.median(nobody) is None


def test_the_histogram_counts_everyone_once_and_full_marks_in_the_last_part() -> None:
    assert class_results.histogram(CLASS) == [1, 2, 0, 0, 0, 0, 0, 1, 0, 1]
    assert class_results.histogram(CLASS, 1) == [5]


def test_the_hardest_check_comes_first_and_quarantined_ones_count_for_nobody() -> None:
    first = class_results.hardest(CLASS)[0]
    assert (first.check.id, first.failed, first.blocked, first.lost) == ("prints_message", 1, 2, 3)

    def freed(row: Row) -> Row:
        if row.report is None:
            return row
        checks = tuple(replace(c, quarantined=c.id == "prints_message") for c in row.report.checks)
        return replace(row, report=replace(row.report, checks=checks))

    quarantined: ClassResults = replace(CLASS, rows=tuple(map(freed, CLASS.rows)))
    tally = next(t for t in class_results.hardest(quarantined) if t.check.id == "prints_message")
    assert (tally.judged, tally.lost) == (0, 0)
