"""What a lab's check files declare: ids, titles, points, and what builds on what."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from labgrader.errors import SpecError
from labgrader.model.spec import Lab
from labgrader.model.yaml_places import line_of

MARKER_KEYS = {"requires", "after", "hint", "hidden", "last"}


@dataclass(frozen=True)
class Check:
    """What the marker of one check says."""

    id: str
    title: str
    points: float
    requires: tuple[str, ...]
    after: tuple[str, ...]
    hint: str | None
    hidden: bool
    last: bool
    place: str


def id_of(item: pytest.Item) -> str:
    """The id of the check that a test function is."""
    return item.name.removeprefix("test_")


def check_of(item: pytest.Item) -> Check:
    """What a test function declares; SpecError with its file and line for what it may not."""
    place = f"{item.path}:{(item.location[1] or 0) + 1}"
    if "[" in item.name:
        raise SpecError(f"{place}: {item.name}: a check cannot be parametrized; its id must be one name.")
    marker = item.get_closest_marker("points")
    if marker is None or len(marker.args) != 1 or not isinstance(marker.args[0], int | float):
        raise SpecError(f"{place}: {item.name} needs @pytest.mark.points(N), N being what it is worth.")
    unknown = set(marker.kwargs) - MARKER_KEYS
    if unknown:
        raise SpecError(
            f"{place}: points() does not know {', '.join(sorted(unknown))}; "
            f"it knows {', '.join(sorted(MARKER_KEYS))}."
        )
    docstring = getattr(getattr(item, "function", None), "__doc__", None)
    if not docstring:
        raise SpecError(
            f"{place}: {item.name} needs a docstring; its first line is the title the student sees."
        )
    options = marker.kwargs
    for key in ("requires", "after"):
        if isinstance(options.get(key), str):
            raise SpecError(f"{place}: {key}={options[key]!r} must be a list: {key}=[{options[key]!r}].")
    return Check(
        id_of(item),
        docstring.strip().splitlines()[0].rstrip("."),
        float(marker.args[0]),
        tuple(options.get("requires", ())),
        tuple(options.get("after", ())),
        options.get("hint"),
        bool(options.get("hidden", False)),
        bool(options.get("last", False)),
        place,
    )


def validate(lab: Lab, checks: list[Check]) -> dict[str, Check]:
    """The checks by id; SpecError unless they fit each other and add up to the lab's points."""
    known: dict[str, Check] = {}
    if not checks:
        raise SpecError(
            f"{lab.folder / 'checks'}: there is no check: no function test_… in a file test_….py."
        )
    for check in checks:
        if check.id in known:
            raise SpecError(
                f"{check.place}: there is a check {check.id} already, at {known[check.id].place}."
            )
        known[check.id] = check
    for check in checks:
        for name in (*check.requires, *check.after):
            if name not in known:
                raise SpecError(
                    f"{check.place}: requires {name!r}, which is no check of this lab "
                    f"(there are: {', '.join(known)})."
                )
    total = sum(check.points for check in checks)
    if abs(total - lab.points) > 1e-9:
        path = lab.folder / "lab.yaml"
        line = line_of(path.read_text(encoding="utf-8"), ("points",))
        raise SpecError(
            f"{path}:{line}: points is {lab.points:g}, but the checks add up to {total:g}; make them agree."
        )
    return known


def ordered(checks: list[Check], seed: int | None) -> list[str]:
    """The ids so that what a check requires runs before it, `last` ones at the end; shuffled by `seed`."""
    waiting = list(checks)
    if seed is not None:
        random.Random(seed).shuffle(waiting)
    waiting.sort(key=lambda check: check.last)
    done: list[str] = []
    while waiting:
        ready = next((c for c in waiting if all(name in done for name in (*c.requires, *c.after))), None)
        if ready is None:
            circle = ", ".join(check.id for check in waiting)
            raise SpecError(f"{waiting[0].place}: these checks require each other in a circle: {circle}.")
        waiting.remove(ready)
        done.append(ready.id)
    return done
