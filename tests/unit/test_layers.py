"""Imports run one way, from commands down to errors; what runs on a lab host stands on Python alone."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "labgrader"

# From the bottom up: a module leads, by whatever way, to modules of lower lines alone. The order tells what
# may know of what: results know of no provider, probes of no check, providers of no grading, and nothing
# but commands of how a report is shown. A module that is not named here may stand anywhere in between.
LAYERS = [
    [
        "labgrader",
        "errors",
        "model.limits",
        "printable",
        "remote.access",
        "intake.contents",
        "remote.keys",
        "model.results",
        "model.yaml_places",
    ],
    ["model.spec", "intake.archives", "checking.verdicts", "checking.check_mistakes"],
    ["remote.transport"],
    ["model.topology", "remote.hands", "providers.groundwork"],
    ["model.render", "checking.probes", "intake.submission"],
    ["providers.netns"],
    ["checking.programs", "apply", "checking.pytest_plugin"],
    ["providers", "checking.server_checks", "session", "groundwork"],
    ["runner", "proving.mutants"],
    ["pool", "proving.record"],
    ["proving.findings", "proving.steps", "reporters.terminal"],
    ["proving.comparison", "reporters.findings_junit"],
    ["prove", "nightly.journal", "reporters.findings_html"],
    ["nightly.job"],
    ["commands"],
]
# Run without the grader's packages: on a lab host, or by a Python in isolated mode (-I -S).
GUEST = SOURCE / "guest"
OUTSIDE = [SOURCE / "providers/netns" / f"{n}.py" for n in ("supervisor", "lab_boot", "host_boot", "kernel")]
ALONE = [*sorted(GUEST.rglob("*.py")), *OUTSIDE]


def _modules() -> dict[str, Path]:
    """Every module of the grader by its name below labgrader; the package itself is "labgrader"."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[0] != "guest":
            found[".".join(parts).removesuffix("__init__").rstrip(".") or "labgrader"] = path
    return found


MODULES = _modules()


def _imports(path: Path) -> Iterator[str]:
    """The full name of each import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _used_by(name: str) -> set[str]:
    """The modules of labgrader whose names `name` imports."""
    used = set()
    for full in _imports(MODULES[name]):
        if full.partition(".")[0] == "labgrader":
            module = full.removeprefix("labgrader").removeprefix(".")
            while module and module not in MODULES:
                module = module.rpartition(".")[0]
            used.add(module or "labgrader")
    return used - {name}


def _led_to(name: str) -> dict[str, list[str]]:
    """Every module that `name` leads to, with a way there."""
    ways: dict[str, list[str]] = {}
    waiting = [[name]]
    while waiting:
        way = waiting.pop(0)
        for module in _used_by(way[-1]) - ways.keys():
            ways[module] = [*way, module]
            waiting.append(ways[module])
    return ways


@pytest.mark.parametrize("name", MODULES)
def test_no_module_leads_back_to_itself(name: str) -> None:
    assert _led_to(name).get(name) is None


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_a_layer_leads_to_lower_ones_alone(number: int) -> None:
    not_lower = {name for layer in LAYERS[number:] for name in layer}
    upwards = {
        " → ".join(way)
        for name in LAYERS[number]
        for module, way in _led_to(name).items()
        if module in not_lower
    }
    assert upwards == set()


def test_every_layer_names_modules_that_exist() -> None:
    assert [name for layer in LAYERS for name in layer if name not in MODULES] == []


@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.stem)
def test_what_runs_alone_imports_the_standard_library_and_its_neighbours(path: Path) -> None:
    folders = [path.parent, GUEST / "lib"] if GUEST in path.parents else [path.parent]
    neighbours = {item.stem for folder in folders for item in folder.glob("*.py")}
    tops = {full.partition(".")[0] for full in _imports(path)}
    assert tops - neighbours - sys.stdlib_module_names == set()


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.stem)
def test_what_makes_the_namespaces_imports_nothing_that_needs_packages(path: Path) -> None:
    own = {item.stem for item in OUTSIDE}
    assert {full.partition(".")[0] for full in _imports(path)} <= own | sys.stdlib_module_names
