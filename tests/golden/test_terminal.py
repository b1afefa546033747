"""The feedback on the terminal, word for word: tests/golden/*.txt are what a student reads.

After a deliberate change of words: LABGRADER_WRITE_GOLDEN=1 pytest tests/golden, and read the difference.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status
from labgrader.reporters.terminal import feedback
from tests.golden.reports import ALL, FULL_MARKS, LONG_PRINTOUT, TITLE

HERE = Path(__file__).parent
SGR = re.compile(r"\x1b\[[0-9;]+m")
TEXT = st.text(st.characters(), max_size=300) | st.lists(
    st.sampled_from(
        ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\n", "\t", "\u202e", "\x00", "a b", "你"]
    )
).map("".join)


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("name", ALL)
def test_feedback_reads_as_written_down(name: str, colour: bool) -> None:
    path = HERE / f"{name}{'.colour' if colour else ''}.txt"
    text = feedback(ALL[name], title=TITLE, colour=colour)
    if os.environ.get("LABGRADER_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_report() -> None:
    assert {path.name.partition(".")[0] for path in HERE.glob("*.txt")} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    plain, coloured = (feedback(ALL[name], title=TITLE, colour=colour) for colour in (False, True))
    assert SGR.sub("", coloured) == plain
    assert coloured != plain


def test_a_hidden_check_tells_neither_message_nor_hint_nor_evidence() -> None:
    text = feedback(LONG_PRINTOUT, title=TITLE)
    assert "Started again at once" in text
    assert "A secret." not in text and "服务器" not in text and "bind to" in text  # the other check's hint


@given(TEXT, TEXT, TEXT, st.sampled_from(Status), st.sampled_from(Outcome), st.booleans())
def test_no_text_of_a_report_reaches_the_terminal_as_control(
    one: str, two: str, three: str, status: Status, outcome: Outcome, colour: bool
) -> None:
    check = CheckResult(one, two, 1.0, outcome, three, one, two, evidence=(Evidence(three, one),))
    report = replace(
        FULL_MARKS, lab=one, status=status, checks=(check, check), error=two, notes=(three,), student=one
    )
    text = feedback(report, title=two, colour=colour)
    left = SGR.sub("", text) if colour else text
    assert {unicodedata.category(c) for c in left.replace("\n", "")}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    assert text.endswith("\n")
    assert max(map(len, left.splitlines())) <= 96 + 400


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.booleans()), max_size=8))
def test_what_to_mend_first_is_a_check_that_failed(outcomes: list[tuple[Outcome, bool]]) -> None:
    checks = tuple(
        CheckResult(f"c{n}", f"Title {n}", 1.0, outcome, hidden=hidden)
        for n, (outcome, hidden) in enumerate(outcomes)
    )
    report: Report = replace(FULL_MARKS, checks=checks)
    text = feedback(report, title=TITLE)
    failed = [check.title for check in checks if check.outcome is Outcome.FAIL]
    assert (f"Mend this first: {failed[0]}." in text) if failed else True
    assert f"Score: {report.score:g} of 100" in text
