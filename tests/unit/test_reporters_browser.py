"""The class's page in Chromium, through chromedriver on loopback: search, sorting, links, width, policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labgrader.model.class_results import CheckColumn, Row
from labgrader.reporters import class_html
from tests.golden.class_samples import CLASS, large
from tests.golden.reports import LOOPBACK_ONLY

DEADLINE_S = 60
# It says first that it starts on port 0, and then which one it was given.
PORT = re.compile(r"on port ([1-9][0-9]*)")
QUIET = ("background-networking", "component-update", "sync", "quic", "gpu", "default-apps")
pytestmark = [pytest.mark.slow, pytest.mark.long]


class Browser:
    """A session of chromedriver."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._session = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self._base}{self._session}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.load(answer)["value"]

    def begin(self, profile: Path) -> None:
        args = ["--headless=new", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
        args += [f"--disable-{what}" for what in QUIET]
        wanted = {"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{answer['sessionId']}"

    def run(self, script: str) -> Any:
        return self.ask("POST", "/execute/sync", {"script": script, "args": []})

    def width(self, pixels: int) -> None:
        metrics = {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self.ask("POST", "/goog/cdp/execute", command)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    assert not missing, "./lab test --long installs them: apt-get install chromium chromium-driver"
    folder = tmp_path_factory.mktemp("chromium")
    log = folder / "log"
    with log.open("wb") as written:
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=written, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + DEADLINE_S
        while (told := PORT.search(log.read_text())) is None:
            assert driver.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        found = Browser(int(told[1]))
        found.begin(folder / "profile")
        yield found
        found.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(DEADLINE_S)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    return opened(browser, tmp_path, class_html.render(CLASS))


def opened(browser: Browser, folder: Path, data: bytes) -> Browser:
    path = folder / "report.html"
    path.write_bytes(data)
    browser.ask("POST", "/url", {"url": path.as_uri()})
    return browser


STUDENTS = """return [...document.querySelectorAll("#table tbody tr")]
    .filter((row) => row.offsetParent !== null).map((row) => row.cells[0].textContent.trim())"""


def search(page: Browser, words: str) -> None:
    page.run(
        f"const box = document.getElementById('search'); box.value = {json.dumps(words)};"
        "box.dispatchEvent(new Event('input'))"
    )


def sort(page: Browser, key: str) -> list[str]:
    page.run(f"document.querySelector('[data-key={key}]').click()")
    found: list[str] = page.run(STUDENTS)
    return found


def test_search_finds_words_in_any_order_and_case(page: Browser) -> None:
    search(page, "LIDDELL alice")
    assert page.run(STUDENTS) == ["alice"]
    assert page.run("return document.getElementById('found').textContent") == "1 of 7"
    shown = (
        "return [...document.querySelectorAll('details.student')].filter((p) => !p.hidden).map((p) => p.id)"
    )
    assert page.run(shown) == ["s-alice"]
    search(page, "张三")
    assert page.run(STUDENTS) == ["zhangsan"]
    search(page, "missing")
    assert page.run(STUDENTS) == ["erin"]
    search(page, "")
    assert len(page.run(STUDENTS)) == 7


def test_a_check_that_is_clicked_on_shows_who_lost_it(page: Browser) -> None:
    page.run("document.querySelector('[data-check=prints_message]').click()")
    assert page.run(STUDENTS)[:2] == ["bob", "zhangsan"] and len(page.run(STUDENTS)) == 3
    assert page.run("return document.getElementById('found').textContent") == "3 of 7"
    assert page.run("return document.activeElement.textContent") == "Students"
    search(page, "reachable BOB")
    assert page.run(STUDENTS) == ["bob"]
    search(page, "")
    assert len(page.run(STUDENTS)) == 7


def test_a_check_whose_id_begins_anothers_is_not_taken_for_it(browser: Browser, tmp_path: Path) -> None:
    def loses(student: str, check_id: str) -> Row:
        lost = replace(LOOPBACK_ONLY.checks[1], id=check_id)
        return Row(student, report=replace(LOOPBACK_ONLY, checks=(lost,)))

    checks = tuple(CheckColumn(name, name, 10.0, False) for name in ("serve", "serve_all"))
    rows = (loses("ann", "serve_all"), loses("ben", "serve"), loses("cai", "serve"))
    results = replace(CLASS, checks=checks, rows=rows)
    page = opened(browser, tmp_path, class_html.render(results))
    page.run("document.querySelector('[data-check=serve]').click()")
    assert page.run(STUDENTS) == ["ben", "cai"]
    search(page, "ser")
    assert page.run(STUDENTS) == ["ann", "ben", "cai"]


def test_a_mark_that_is_pointed_at_tells_its_check(page: Browser) -> None:
    found = page.run(
        "const mark = document.querySelectorAll('#table tbody tr')[1].querySelectorAll('.checks i')[2];"
        "mark.dispatchEvent(new PointerEvent('pointerover', {bubbles: true})); return mark.title"
    )
    assert found.startswith("V1 reaches the server over the network") and "reachable_from_v1" in found


def test_sorting_by_score_keeps_who_has_none_at_the_end(page: Browser) -> None:
    rising = sort(page, "score")
    assert rising[0] == "carol" and rising[4:] == ["alice", "dave", "erin"]
    falling = sort(page, "score")
    assert falling[:2] == ["alice", "zhangsan"] and falling[5:] == ["dave", "erin"]
    assert page.run("return document.querySelectorAll('th[aria-sort=descending]').length") == 1
    assert sort(page, "name")[-4:-2] != falling[-4:-2]
    assert sort(page, "student")[1:4] == ["alice", "bob", "carol"]


def test_a_link_opens_the_students_part_even_when_the_search_hides_it(page: Browser) -> None:
    search(page, "alice")
    page.run("location.hash = '#s-zhangsan'")
    end = time.monotonic() + DEADLINE_S
    while not page.run("return document.getElementById('s-zhangsan').open"):
        assert time.monotonic() < end
    assert page.run("return document.getElementById('s-zhangsan').hidden") is False
    assert page.run("return document.getElementById('search').value") == ""
    assert page.run("return document.activeElement.parentNode.id") == "s-zhangsan"


def test_on_a_phone_nothing_is_wider_than_the_window(page: Browser) -> None:
    page.width(390)
    page.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert page.run("return document.documentElement.scrollWidth") <= 390


def test_nothing_of_a_students_ran_and_the_policy_had_nothing_to_refuse(page: Browser) -> None:
    assert page.complaints() == []
    # And it would: a script that is put in does not run, an inline style is not taken.
    page.run(
        "const s = document.createElement('div'); s.id = 'put-in';"
        's.innerHTML = \'<b style="position: fixed" onclick="window.ran = 1">x</b>\';'
        "document.body.append(s);"
        "const t = document.createElement('script'); t.textContent = 'window.ran = 1';"
        "document.body.append(t);"
        "s.firstChild.click()"
    )
    assert page.run("return window.ran === undefined") is True
    assert page.run("return getComputedStyle(document.querySelector('#put-in b')).position") == "static"
    assert any("Content Security Policy" in said for said in page.complaints())


def test_3000_students_are_searched_and_sorted_while_one_waits(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, class_html.render(large(3000)))
    for script in (
        "document.querySelector('[data-key=name]').click()",
        "const b = document.getElementById('search'); b.value = '77'; b.dispatchEvent(new Event('input'))",
    ):
        timed = f"const begun = performance.now(); {script}; document.body.offsetHeight;"
        assert page.run(f"{timed} return performance.now() - begun") < 10_000
    assert 0 < len(page.run(STUDENTS)) < 300
