"""The class's page: it needs nothing else, lets nothing else in, and tells everything once."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

from labgrader.model import class_results
from labgrader.model.class_results import Row
from labgrader.model.results import Outcome
from labgrader.reporters import class_html
from tests.golden.class_samples import CLASS, HOSTILE, large
from tests.golden.reports import LOOPBACK_ONLY

VOID = {"meta", "input", "link", "br", "img", "hr"}
LOADING = {"src", "srcset", "href", "data", "action", "formaction", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """The page's elements in their order, its text, and what stands in style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> in line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.inside:
            self.inside[self._open[-1]].append(data)
        else:
            self.text.append(data)


def check_page(data: bytes) -> Page:
    """The page, once it is well nested, loads nothing, and runs and shows only what its policy names."""
    page = Page(data.decode())
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "form", "base"}
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in LOADING & attributes.keys():
            assert name == "href" and attributes[name].startswith("#")
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = page.inside[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttp|innerHTML|eval\(", text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"][1:] for tag, attributes in page.elements if tag == "a"}
    assert links <= set(ids)
    return page


def test_the_page_stands_alone_and_has_a_part_for_every_student() -> None:
    page = check_page(class_html.render(CLASS))
    students = [a["id"] for tag, a in page.elements if a.get("class") == "student"]
    assert len(students) == len(CLASS.rows)
    assert "s-zhangsan" in students
    rows = [a for tag, a in page.elements if tag == "tr" and "data-score" in a]
    assert [a["data-score"] for a in rows] == ["100.0", "15.0", "70.0", "0.0", "", "", "15.0"]


def test_who_has_no_score_comes_first_with_the_reason() -> None:
    text = "".join(check_page(class_html.render(CLASS)).text)
    first = text.index("No score yet: 2")
    assert first < text.index("the connection to its agent broke") < text.index("The class")
    assert first < text.index("the roster names erin.zip") < text.index("The class")


def test_evidence_hidden_checks_and_rejections_are_told() -> None:
    text = "".join(check_page(class_html.render(CLASS)).text)
    assert "服务器启动，等待连接" in text and "A secret." in text
    assert "These files cannot be graded: no tcp_server.py in day08/" in text
    assert text.count("hidden") == 1


def test_a_check_that_cost_points_stands_with_everybody_who_lost_it() -> None:
    page = check_page(class_html.render(CLASS))
    lost = [a.get("data-lost", "").split() for tag, a in page.elements if tag == "tr" and "data-score" in a]
    bobs = [check.id for check in CLASS.checks if check.id != "starts"]
    assert lost == [[], bobs, ["prints_message", "port_reusable"], [], [], [], bobs]
    for tally in class_results.hardest(CLASS):
        assert sum(tally.check.id in ids for ids in lost) == tally.lost
    picks = [a["data-check"] for _, a in page.elements if "data-check" in a]
    assert picks == [tally.check.id for tally in class_results.hardest(CLASS) if tally.lost]
    text = "".join(page.text)
    assert text.count("reachable_on_eth0, reachable_from_v1") == 2  # the two who have them wrong
    assert "prints_message, port_reusable" in text


def test_marks_stand_in_the_same_order_for_everybody() -> None:
    report = LOOPBACK_ONLY
    assert report.checks[0].outcome is Outcome.PASS
    turned = replace(report, checks=(*report.checks[2:], report.checks[0]))
    page = class_html.render(replace(CLASS, rows=(Row("x", report=turned),))).decode()
    marks = re.findall(r"<i[^>]*>(.)</i>", page)
    assert marks == ["✓", "·", "✗", "–", "–", "–", "–"]


def test_what_is_seen_is_said_too() -> None:
    page = check_page(class_html.render(CLASS))
    labels = [a["aria-label"] for tag, a in page.elements if tag == "svg"]
    assert "10 to 20 points: 2; 70 to 80 points: 1; 90 to 100 points: 1" in labels[0]
    assert "It is «V1 reaches the server over the network on 192.168.1.10»." in "".join(page.text)


def test_what_a_student_wrote_is_text() -> None:
    data = class_html.render(CLASS).decode()
    assert "<script>alert" not in data and "&lt;script&gt;alert(1)" in data
    assert HOSTILE not in data
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", data)
    assert data.count("<script") == data.count("</script") == 1


def test_a_class_of_3000_is_written_in_seconds_and_stays_below_10_mb() -> None:
    results = large(3000)
    started = time.monotonic()
    data = class_html.render(results)
    assert time.monotonic() - started < 30
    assert len(data) < 10_000_000
    assert data.count(b'<details class="student"') == 3000
