"""An author's mistakes in the Python of the checks, as sentences with file and line. Pure."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest


def while_collecting(error: BaseException, checks: Path) -> str:
    """What kept a file of checks from being read: `FILE:LINE: kind: words`.

    pytest wraps what an import raises; the place is the innermost one below the folder `checks`.
    """
    while isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}."
    return f"{place_in(error, checks) or checks}: {type(error).__name__}: {error}."


def place_in(error: BaseException, checks: Path) -> str | None:
    """FILE:LINE of the innermost frame of `error` in a file below the folder `checks`."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(checks)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def unknown_fixture(place: str, name: str, wanted: str | None, hosts: list[str]) -> str:
    """A check asks for what is neither a host nor another fixture."""
    return (
        f"{place}: {name} asks for {wanted!r}, which is no fixture; there are the hosts {', '.join(hosts)}, "
        "and lab, parameters, passed, and what the checks' own files define."
    )
