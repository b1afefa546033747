"""What values in lab.yaml may look like: names, paths and file modes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
INTERFACE = re.compile(r"[a-z][a-z0-9]{1,14}\Z")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


def _absolute(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{value} is not an absolute path")
    return value


def _octal(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"0[0-7]{3}", value):
        raise ValueError(f'{value} is no mode; write four octal digits in quotes, such as "0644"')
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Mode = Annotated[str, BeforeValidator(_octal)]
