"""Where in a YAML text something is, for messages that name the line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Repeated:
    """A key that a mapping holds twice; lines are 1-based."""

    key: str
    line: int
    first_line: int


def line_of(text: str, location: tuple[Any, ...]) -> int:
    """The 1-based line of the node at `location`, or of the nearest one above it.

    The parts of a location are joined by dots, because a key may hold some itself (tcp_server.py).
    """
    try:
        node: Any = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return 1
    line = 1
    left = ".".join(str(part) for part in location)
    while left:
        if isinstance(node, yaml.MappingNode):
            steps = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            steps = [(str(index), item, item) for index, item in enumerate(node.value)]
        else:
            break
        fitting = [step for step in steps if f"{left}.".startswith(f"{step[0]}.")]
        if not fitting:
            break
        name, key, node = max(fitting, key=lambda step: len(step[0]))
        line = key.start_mark.line + 1
        left = left[len(name) + 1 :]
    return line


def repeated_key(text: str) -> Repeated | None:
    """The first key that is in one mapping twice; YAML would silently let the later one win."""
    waiting: list[Any] = [yaml.compose(text, Loader=_LOADER)]
    visited: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in visited:  # an alias may lead back to where it stands
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in seen:
                    return Repeated(str(key.value), line, seen[key.value])
                seen[key.value] = line
                waiting.append(value)
    return None
