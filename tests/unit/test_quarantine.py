"""The quarantine as a file: read strictly, merged rightly, written whole; and what it does to checks."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgrader import quarantine
from labgrader.errors import SpecError
from labgrader.model import spec
from labgrader.model.results import CheckResult, Outcome, Status, status_of
from labgrader.model.spec import Lab
from labgrader.quarantine import Entry, Quarantine, applied, merged, read, worth, write

DAY, LATER = datetime.date(2026, 3, 2), datetime.date(2026, 3, 3)
GOOD = """\
starts:
  points: 15
  since: 2026-03-02
  mutant: eth0-only
  outcomes: {netns: pass, vagrant: fail}
"""


def entry(points: float = 10.0, since: datetime.date = DAY, second: str = "vagrant") -> Entry:
    return Entry(points=points, since=since, outcomes={"netns": "pass", second: "fail"})


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    real = spec.find("tcp-server")
    return real.model_copy(update={"folder": tmp_path})


def test_no_file_and_an_empty_one_hold_nothing(lab: Lab) -> None:
    assert read(lab) == {}
    quarantine.place(lab).write_text("# nothing\n")
    assert read(lab) == {}


def test_what_is_written_is_read_back_and_an_empty_one_goes(lab: Lab) -> None:
    entries = {"starts": entry(15), "port_reusable": entry(10, LATER)}
    assert write(lab, entries)
    assert dict(read(lab)) == entries
    assert not write(lab, entries), "nothing changed"
    assert quarantine.place(lab).read_text().startswith("# ")
    assert write(lab, {})
    assert list(lab.folder.iterdir()) == []


def test_a_hand_written_one(lab: Lab) -> None:
    quarantine.place(lab).write_text(GOOD)
    assert read(lab)["starts"] == Entry(
        points=15, since=DAY, mutant="eth0-only", outcomes={"netns": "pass", "vagrant": "fail"}
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("starts: [", 1, "not valid YAML"),
        ("\n\nstarts: {a: }}", 3, "not valid YAML"),
        ("- starts", 1, "a mapping from check ids"),
        (GOOD + "starts: {}\n", 6, "starts is there twice; the first is in line 1"),
        (GOOD.replace("points", "point"), 1, "starts.points: Field required"),
        (GOOD + "  why: because\n", 6, "unknown key; an entry has points, since, mutant, outcomes"),
        (GOOD.replace("15", "0"), 2, "starts.points: Input should be greater than 0"),
        (GOOD.replace("2026-03-02", "yesterday"), 3, "starts.since: "),
        (GOOD.replace("2026-03-02", "2026-13-45"), 1, "not valid YAML"),
        (GOOD.replace("vagrant: fail", "vagrant: error"), 5, "starts.outcomes.vagrant: "),
        (GOOD.replace(", vagrant: fail", ""), 5, "starts.outcomes: "),
        ("starts: 1\n", 1, "starts: Input should be a valid dictionary"),
        ("starts: !!python/object/apply:os.system [id]\n", 1, "not valid YAML"),
    ],
)
def test_a_broken_one_names_file_and_line(lab: Lab, text: str, line: int, words: str) -> None:
    quarantine.place(lab).write_text(text)
    with pytest.raises(SpecError) as caught:
        read(lab)
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{quarantine.place(lab)}:{line}: ")


def test_one_that_is_not_text(lab: Lab) -> None:
    quarantine.place(lab).write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="cannot be read"):
        read(lab)


def checks(**outcomes: Outcome) -> list[CheckResult]:
    return [CheckResult(name, name.upper(), 50.0, outcome) for name, outcome in outcomes.items()]


def test_an_entry_that_does_not_fit_the_checks_is_the_authors_matter(lab: Lab) -> None:
    write(lab, {"starts": entry(15)})
    with pytest.raises(
        SpecError, match=r"quarantine.yaml:2: starts is no check of this lab \(there are: a\)"
    ):
        applied(lab, read(lab), checks(a=Outcome.PASS))
    write(lab, {"a": entry(15)})
    with pytest.raises(
        SpecError, match=r"quarantine.yaml:3: points is 15, but a is worth 50; make them agree"
    ):
        applied(lab, read(lab), checks(a=Outcome.PASS))


@pytest.mark.parametrize("outcome", Outcome)
def test_a_quarantined_check_costs_nothing_whatever_its_outcome(lab: Lab, outcome: Outcome) -> None:
    told, notes, possible = applied(lab, {"a": entry(50)}, checks(a=outcome, b=Outcome.PASS))
    assert [(check.points, check.quarantined) for check in told] == [(0.0, True), (50.0, False)]
    assert possible == 50.0 and len(notes) == 1 and "«A» is in quarantine" in notes[0]
    assert status_of(told) is Status.GRADED
    assert told[0].outcome is outcome, "it is reported all the same"


def test_an_error_elsewhere_is_still_ours(lab: Lab) -> None:
    told, _, _ = applied(lab, {"a": entry(50)}, checks(a=Outcome.PASS, b=Outcome.ERROR))
    assert status_of(told) is Status.INCOMPLETE


def test_without_checks_the_entries_themselves_say_what_is_left(lab: Lab) -> None:
    assert applied(lab, {"a": entry(15), "b": entry(10)}, []) == ((), (), 75.0)


IDS = st.sampled_from(["a", "b", "c", "d"])
ENTRIES = st.dictionaries(IDS, st.builds(entry, st.just(10.0), st.just(DAY), st.sampled_from(["v", "w"])))
FOUND = st.dictionaries(IDS, st.builds(entry, st.just(20.0), st.just(LATER), st.just("v")))


@given(ENTRIES, FOUND, st.sampled_from([None, frozenset({"netns", "v"}), frozenset({"netns", "v", "w"})]))
def test_merging(old: Quarantine, found: Quarantine, full: frozenset[str] | None) -> None:
    new = merged(old, found, full)
    assert set(found) <= set(new) <= set(found) | set(old)
    for name in set(old) & set(new):
        assert new[name].since == DAY, "it keeps its date"
    for name in set(found):
        assert new[name].points == 20.0, "what the check is worth today"
    for name in set(old) - set(found):
        let_out = full is not None and set(old[name].outcomes) <= full
        assert (name in new) is not let_out
    assert merged(new, found, full) == new
    assert worth(new) == sum(item.points for item in new.values())
