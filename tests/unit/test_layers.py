"""Imports run one way, from commands down to errors; what runs on a lab host stands on Python alone."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "labgrader"

# From the bottom up; a module imports from lower lines alone. "x.*" stands for all modules of a package.
# The order tells what may know of what: results know of no provider, probes of no check, providers of no
# grading, and nothing but commands of how a report is shown.
LAYERS = [
    ["labgrader", "errors", "limits", "printable", "access", "contents", "keys", "results", "yaml_places"],
    ["check_mistakes", "doctor", "frames", "spec", "transport", "archives", "verdicts", "command_line"],
    ["developer"],
    ["topology", "hands", "folders", "misnamed"],
    ["render", "probes", "submission"],
    ["providers.netns.*"],
    ["providers.netns", "programs", "dns_probe", "telnet", "apply", "pytest_plugin"],
    ["providers", "server_checks", "session", "providers.netns.doctor_image"],
    ["providers.netns.doctor"],
    ["runner", "benchmark"],
    ["pool", "reporters", "reporters.*"],
    ["prove"],
    ["commands"],
    ["__main__"],
]  # fmt: skip

# One module asks upwards, when it is called: the doctor has each provider's own look at the machine.
WHEN_CALLED = {("doctor", "providers.netns.doctor")}

# Run without the grader's packages: on a lab host, or by a Python in isolated mode (-I -S).
ALONE = [
    *sorted((SOURCE / "guest").rglob("*.py")),
    *(
        SOURCE / "providers/netns" / f"{name}.py"
        for name in ("supervisor", "lab_boot", "host_boot", "kernel")
    ),
]


def _modules() -> dict[str, Path]:
    """Every module of the grader by its name below labgrader; the package itself is "labgrader"."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[0] != "guest":
            found[".".join(parts).removesuffix("__init__").rstrip(".") or "labgrader"] = path
    return found


MODULES = _modules()


def _layer(name: str) -> int:
    package = f"{name.rpartition('.')[0]}.*"
    fitting = [number for number, layer in enumerate(LAYERS) if name in layer]
    fitting = fitting or [number for number, layer in enumerate(LAYERS) if package in layer and "." in name]
    assert len(fitting) == 1, f"{name} is in {len(fitting)} layers: give it its place in LAYERS"
    return fitting[0]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and full name of each import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _imported_module(full: str) -> str | None:
    """The module of labgrader that an imported name means or comes from; None for others' modules."""
    if full.partition(".")[0] != "labgrader":
        return None
    name = full.removeprefix("labgrader").removeprefix(".")
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or "labgrader"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_from_lower_layers_alone(name: str) -> None:
    layer = _layer(name)
    upwards = []
    for line, full in _imports(MODULES[name]):
        used = _imported_module(full)
        beside = used is not None and layer == _layer(used) and name.startswith("providers.netns.")
        if used in (None, name) or beside or (name, used) in WHEN_CALLED:
            continue
        if _layer(used) >= layer:
            upwards.append(f"{MODULES[name]}:{line} imports {used}")
    assert upwards == []


def test_every_layer_names_modules_that_exist() -> None:
    packages = {f"{name.rpartition('.')[0]}.*" for name in MODULES}
    assert [name for layer in LAYERS for name in layer if name not in MODULES and name not in packages] == []


@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.stem)
def test_what_runs_alone_imports_the_standard_library_and_its_neighbours(path: Path) -> None:
    neighbours = {item.stem for item in path.parent.glob("*.py")} | {
        item.stem for item in (SOURCE / "guest/lib").glob("*.py")
    }
    tops = {full.partition(".")[0] for _line, full in _imports(path)}
    assert tops - neighbours - sys.stdlib_module_names == set()
