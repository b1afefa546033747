"""The journal: what was kept is known again, however the file ends; findings as XML and HTML."""

from __future__ import annotations

import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labgrader.errors import LabError, UsageError
from labgrader.model.results import Outcome, Status
from labgrader.nightly import job, journal, lock
from labgrader.proving import record
from labgrader.proving.findings import Finding
from labgrader.proving.record import Record, Told
from labgrader.reporters.findings_html import html
from labgrader.reporters.findings_junit import Section, junit

NOW = datetime.datetime(2026, 3, 2, 2, 0, tzinfo=datetime.UTC)
KEY = {"commit": "abc", "providers": ["netns", "vagrant"]}
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
RECORDS = st.builds(
    Record,
    st.sampled_from(Status),
    st.none() | st.floats(0, 100),
    st.floats(0, 100),
    st.none() | TEXT,
    st.lists(st.builds(Told, TEXT, st.floats(0, 100), st.sampled_from(Outcome), TEXT)).map(tuple),
    st.floats(0, 100),
)
SEEN = Record(Status.GRADED, 15.0, 100.0, None, (Told("starts", 15.0, Outcome.PASS, ""),), 1.5)


@given(RECORDS)
def test_a_record_is_the_same_after_json(seen: Record) -> None:
    assert record.from_json(seen.to_json()) == seen


def made(path: Path) -> bytes:
    """A journal with two steps; its bytes."""
    book = journal.begin(path, KEY, NOW, path.parent / "out")
    book.of("lab").keep("netns", "mutant a", SEEN)
    book.of("lab").keep("netns", "mutant\u2028b", SEEN)
    return path.read_bytes()


def test_cut_off_at_any_byte_it_knows_every_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = made(path)
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        book = journal.resume(path, KEY, NOW + datetime.timedelta(hours=1))
        whole = data[:length].count(b"\n")
        if whole == 0:
            assert book is None
            continue
        assert book is not None and book.resumed == whole - 1
        assert book.of("lab").recall("netns", "mutant a") == (SEEN if whole >= 2 else None)
        assert book.of("lab").recall("vagrant", "mutant a") is None
        # Goes on behind the last whole line.
        book.of("lab").keep("vagrant", "mutant c", SEEN)
        again = journal.resume(path, KEY, NOW)
        assert again is not None and again.resumed == whole
        assert again.of("lab").recall("vagrant", "mutant c") == SEEN


@pytest.mark.parametrize("tail", [b"\0" * 512, b"not json\n", b'{"event": "step"}\n', b"[]\n", b"\xff\xfe\n"])
def test_rubbish_at_the_end_is_taken_away(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    data = made(path)
    path.write_bytes(data + tail)
    book = journal.resume(path, KEY, NOW)
    assert book is not None and book.resumed == 2
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("key", "hours", "goes_on"),
    [
        (KEY, 0, True),
        (KEY, 23.9, True),
        (KEY, 24, False),
        (KEY, -1, False),
        ({**KEY, "commit": "def"}, 1, False),
        ({**KEY, "providers": ["netns"]}, 1, False),
    ],
)
def test_it_goes_on_with_the_same_run_within_a_day(
    tmp_path: Path, key: dict[str, object], hours: float, goes_on: bool
) -> None:
    path = tmp_path / "journal.jsonl"
    made(path)
    found = journal.resume(path, key, NOW + datetime.timedelta(hours=hours))
    assert (found is not None) is goes_on


class Ready:
    """A provider of which nothing is asked but to be there."""

    def prepare(self) -> None:
        pass


def night(doctor: job.Doctor, clean: job.Clean) -> int:
    makers: dict[str, Any] = {"vagrant": Ready}
    return job.run([], makers, doctor=doctor, clean=clean)


def test_the_doctor_is_asked_whenever_a_run_begins_or_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reboot brought, such as a kernel without vboxdrv, must be told; what it mended, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    verdicts = [(False, "vboxdrv is not loaded"), (True, "can be used"), (False, "there is no vboxdrv")]

    def cut_off() -> list[str]:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            night(lambda _: verdicts.pop(0), cut_off)
    assert night(lambda _: verdicts.pop(0), list) == 3
    (failures,) = tmp_path.rglob(job.FAILURES)
    assert failures.read_text() == "doctor: WRONG  vagrant: doctor: there is no vboxdrv\n"
    assert verdicts == []


def test_a_journal_of_an_older_labgrader_that_kept_the_doctors_word_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    data = made(path).splitlines(keepends=True)
    word = b'{"event": "doctor", "provider": "netns", "usable": true, "words": "can be used"}\n'
    path.write_bytes(b"".join([data[0], word, *data[1:]]))
    book = journal.resume(path, KEY, NOW)
    assert book is not None and book.resumed == 2


def test_what_cannot_be_told_is_cleaned_up_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cleaned: list[bool] = []

    def doctor(_: str) -> tuple[bool, str]:
        # From here on no line can be written, as on a full disk.
        (log,) = tmp_path.rglob(job.LOG)
        log.unlink()
        log.mkdir()
        return True, "can be used"

    def clean() -> list[str]:
        cleaned.append(True)
        return []

    with pytest.raises(LabError, match=r"nightly\.log cannot be written"):
        night(doctor, clean)
    assert cleaned == [True]


def test_an_ended_run_is_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert journal.resume(path, KEY, NOW) is None
    made(path)
    book = journal.resume(path, KEY, NOW)
    assert book is not None and book.out == tmp_path / "out"
    book.end(0)
    assert journal.resume(path, KEY, NOW) is None


def test_the_lock_says_who_holds_it_and_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    words = r"under way already: process \d+ on .*, since 20.*\(\./lab "
    with lock.held(path), pytest.raises(UsageError, match=words), lock.held(path):
        pass
    path.write_text('{"pid": "nonsense')
    with lock.held(path):
        pass


FINDINGS = st.builds(
    Finding, st.text(), st.booleans(), st.text(), st.booleans(), st.text(max_size=5), st.floats(0, 1e4)
)
SECTIONS = st.lists(st.builds(Section, st.text(max_size=9), st.text(), st.lists(FINDINGS)), max_size=4)


@given(SECTIONS)
def test_junit_is_xml_that_counts_right(sections: list[Section]) -> None:
    root = ElementTree.fromstring(junit(sections, NOW).encode())
    assert [int(suite.attrib["tests"]) for suite in root] == [len(section.findings) for section in sections]
    for suite, section in zip(root, sections, strict=True):
        wrong = [finding for finding in section.findings if not finding.holds]
        assert (
            int(suite.attrib["errors"])
            == sum(finding.ours for finding in wrong)
            == len(suite.findall("*/error"))
        )
        assert int(suite.attrib["failures"]) == len(suite.findall("*/failure"))
        assert len(wrong) == int(suite.attrib["errors"]) + int(suite.attrib["failures"])


TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "span", "p", "code", "ul", "li", "b",
    "table", "tr", "th", "td",
}  # fmt: skip


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert {name for name, _ in attrs} <= {"lang", "charset", "name", "content", "class"}

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(deadline=None)
@given(SECTIONS)
def test_html_holds_no_tag_of_a_finding_s(sections: list[Section]) -> None:
    hostile = Section("<script>", "</title>", [Finding("<img src=x>", False, "<script>alert(1)</script>")])
    page = html([*sections, hostile], NOW, "abc")
    parser = _Tags()
    parser.feed(page)
    assert parser.seen <= TAGS
    assert "<script>alert(1)</script>" in parser.text
