"""Mutants: wrong submissions in labs/LAB/mutants/, each with the checks that it must lose (mutant.yaml)."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from labgrader.errors import SpecError, UsageError
from labgrader.model.spec import Lab


class Mutant(BaseModel):
    """What mutant.yaml says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    fails: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    says: str | None = None


def chosen(lab: Lab, only: str | None, every: int) -> dict[str, Mutant]:
    """The lab's mutants by name: those whose name holds `only`, and each `every`-th of them by name.

    Raises UsageError where `only` leaves none, SpecError for a mutant.yaml that is wrong.
    """
    folders = sorted(path for path in (lab.folder / "mutants").glob("*/") if path.is_dir())
    mutants = {path.name: read(path) for path in folders if not only or only in path.name}
    mutants = dict(list(mutants.items())[::every])
    if only and not mutants:
        raise UsageError(f"Lab {lab.name} has no mutant with {only!r} in its name.")
    return mutants


def read(folder: Path) -> Mutant:
    """What the folder's mutant.yaml says; SpecError with the file's name otherwise."""
    path = folder / "mutant.yaml"
    try:
        return Mutant.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        words = first["msg"]
        if first["type"] == "extra_forbidden":
            words = f"unknown key; a mutant.yaml has {', '.join(Mutant.model_fields)}"
        raise SpecError(f"{path}: {'.'.join(map(str, first['loc']))}: {words}.") from error
