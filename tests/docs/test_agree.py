"""The pages name what the code has: keys, fields, markers, methods; and their links lead somewhere."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from labgrader import errors, quarantine
from labgrader.checking import declared, dns_probe, server_checks, telnet, verdicts
from labgrader.checking.probes import Capture, Conversation, Host
from labgrader.checking.programs import Program
from labgrader.model import limits, spec
from labgrader.model.results import CheckResult, Evidence, Outcome, Report, Status
from labgrader.proving import mutants
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, links, rows

AUTHOR = ROOT / "docs" / "writing-a-lab.md"
REPORT = ROOT / "docs" / "report-format.md"
FILLED_IN = {"folder", "digest"}  # by spec.load, never by an author
MODELS: dict[str, type[BaseModel]] = {
    "Lab": spec.Lab,
    "Parameter": spec.Parameter,
    "Host": spec.Host,
    "Interface": spec.Interface,
    "HostFile": spec.HostFile,
    "Service": spec.Service,
    "SubmissionSpec": spec.SubmissionSpec,
    "SubmittedFile": spec.SubmittedFile,
    "Limits": limits.Limits,
    "Mutant": mutants.Mutant,
    "Entry": quarantine.Entry,
}
CODE = re.compile(r"`([^`]+)`")


def keys_block(page: Any, name: str) -> Block:
    return next(block for block in blocks(page) if block.mark("keys") == name)


def first_names(block: Block) -> list[str]:
    return [CODE.findall(row[0])[0] for row in rows(block)]


@pytest.mark.parametrize("name", MODELS)
def test_every_key_of_lab_yaml_is_told_with_its_default(name: str) -> None:
    fields = {key: field for key, field in MODELS[name].model_fields.items() if key not in FILLED_IN}
    block = keys_block(AUTHOR, name)
    assert first_names(block) == list(fields)
    for row in rows(block):
        key, default = CODE.findall(row[0])[0], row[2]
        field = fields[key]
        if field.is_required():
            assert default == "required", f"{block.place}: {key}"
        elif field.default is None or field.default == () or field.default == {} or field.default == "":
            assert default == "none", f"{block.place}: {key}"
        elif isinstance(field.default, BaseModel):
            assert default == "each its own", f"{block.place}: {key}"
        else:
            assert CODE.findall(default) == [_yaml(field.default)], f"{block.place}: {key}"


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_every_model_of_lab_yaml_has_a_table() -> None:
    found = {
        value.__name__
        for value in vars(spec).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and not value.__name__.startswith("_")
    } - {"BaseModel"}
    assert found | {"Mutant", "Entry"} == set(MODELS)


def test_every_key_of_the_points_marker_is_told() -> None:
    assert set(first_names(keys_block(AUTHOR, "points"))) == declared.MARKER_KEYS


@pytest.mark.parametrize("thing", [Host, Conversation, Program, Capture, telnet.Session])
def test_every_method_that_a_check_may_call_is_told(thing: type) -> None:
    text = AUTHOR.read_text(encoding="utf-8")
    for name, value in vars(thing).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            assert re.search(rf"\b{name}\b", text), f"{thing.__name__}.{name} is not in {AUTHOR.name}"


@pytest.mark.parametrize("module", [dns_probe, server_checks, telnet, verdicts])
def test_every_function_that_a_check_may_call_is_told(module: Any) -> None:
    text = AUTHOR.read_text(encoding="utf-8")
    for name, value in vars(module).items():
        if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.__name__:
            assert re.search(rf"\b{name}\b", text), f"{module.__name__}.{name} is not in {AUTHOR.name}"


def test_every_shared_template_is_told() -> None:
    text = AUTHOR.read_text(encoding="utf-8")
    for path in (ROOT / "templates").glob("*.j2"):
        assert f"`{path.stem}`" in text, path.stem


def a_report() -> dict[str, Any]:
    check = CheckResult("a", "A", 1.0, Outcome.PASS, evidence=(Evidence("title", "text"),))
    return Report("l", "d", "p", {}, "s", None, 1.0, Status.GRADED, (check,)).to_json()


def test_fields_of_the_report_are_told_in_their_order() -> None:
    report = a_report()
    assert first_names(keys_block(REPORT, "report")) == list(report)
    assert first_names(keys_block(REPORT, "check")) == list(report["checks"][0])
    assert first_names(keys_block(REPORT, "evidence")) == list(report["checks"][0]["evidence"][0])


def test_the_report_shown_has_the_shape_of_a_real_one() -> None:
    text = REPORT.read_text(encoding="utf-8")
    shown = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
    report = a_report()
    assert list(shown) == list(report)
    for check in shown["checks"]:
        assert list(check) == list(report["checks"][0])
        assert check["outcome"] in set(Outcome)
    assert shown["status"] in set(Status)
    assert shown["score"] <= shown["possible"]
    assert set(shown["limits"]) <= set(limits.Limits.model_fields)


@pytest.mark.parametrize(("name", "values"), [("outcomes", Outcome), ("statuses", Status)])
def test_words_of_the_report_are_told(name: str, values: type[Outcome] | type[Status]) -> None:
    assert first_names(keys_block(REPORT, name)) == [str(value) for value in values]


@pytest.mark.parametrize("name", limits.Limits.model_fields)
def test_limits_are_told(name: str) -> None:
    assert f"`{name}`" in REPORT.read_text(encoding="utf-8") + AUTHOR.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Any) -> None:
    for line, target in links(page):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.relative_to(ROOT)}:{line}: {target} leads nowhere"
        if anchor:
            assert anchor in anchors(there), f"{page.relative_to(ROOT)}:{line}: {target}: no such heading"


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for _line, target in links(page)
        if not target.startswith("http")
    }
    lonely = [page for page in PAGES if page not in linked and page.name != "README.md"]
    assert [str(page.relative_to(ROOT)) for page in lonely] == []


def test_kinds_of_error_are_told_by_their_exit_status() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name, value in vars(errors).items():
        if inspect.isclass(value) and value is not errors.LabgraderError:
            assert name in text, name


def test_every_module_is_in_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "labgrader"
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if path.stem != "__init__" and inside.parts[0] != "guest":
            assert f"`{path.stem}`" in text, inside
            for room in inside.parts[:-1]:
                assert f"`{room}/" in text or f"/{room}/" in text or f"/{room}`" in text, inside


def test_units_that_keep_what_is_graded_keep_it_to_themselves() -> None:
    units = [unit for page in PAGES for unit in page.read_text().split("```") if "StateDirectory=" in unit]
    assert units
    for unit in units:
        assert "StateDirectoryMode=0700" in unit, unit
