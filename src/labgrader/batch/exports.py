"""The instructor's own exports, which a class's results are filled into: read, and tried beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labgrader import reporters
from labgrader.errors import UsageError
from labgrader.model.class_results import ClassResults
from labgrader.reporters.sheet import OtherTable


def tried(paths: Sequence[str], column: str | None) -> dict[str, bytes]:
    """The instructor's exports by format, each tried on an empty class: not after hours of grading."""
    empty = ClassResults("", "", 100.0, (), ())
    known = [name for name, about in reporters.FORMATS.items() if about.template]
    found: dict[str, bytes] = {}
    for path in paths:
        data = read(path)
        first_line = ""
        for name in known:
            try:
                reporters.render(name, empty, template=data, column=column)
            except OtherTable as other:
                # Of what is one format's own export only that format has anything to say.
                first_line = other.first_line
                continue
            if name in found:
                raise UsageError(f"--template {path}: {name} has one already; give one of each kind.")
            found[name] = data
            break
        else:
            raise UsageError(
                f"--template {path} can be filled in as none of {', '.join(known)}: its first line is "
                f"«{first_line}». Export it anew."
            )
    return found


def read(path: str) -> bytes:
    """The bytes of one export; UsageError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"--template {path} cannot be read: {error.strerror}.") from error
