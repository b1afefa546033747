"""What is wrong with a lab.yaml, in words: the file, the line, the key, the fault and the remedy."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from labgrader.model import yaml_places


def suggest(word: str, known: Any) -> str:
    """The end of a sentence: the known word that is meant, or all of them."""
    near = difflib.get_close_matches(word, [str(item) for item in known], n=1)
    listed = ", ".join(str(item) for item in known) or "none"
    return f"; did you mean {near[0]}?" if near else f" (there are: {listed})"


def explain(path: Path, text: str, error: ValidationError, model: type[BaseModel]) -> str:
    """The first five faults that pydantic found in `text`, a sentence each."""
    sentences = []
    for item in error.errors()[:5]:
        location = tuple(part for part in item["loc"] if part not in ("__root__",))
        key = ".".join(str(part) for part in location)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _known_keys(model, location[:-1])
            message = f"unknown key{suggest(str(location[-1]), known)}"
        elif item["type"] == "missing":
            message = "is missing"
        elif not location:
            location = (message.partition(": ")[0],)
        sentences.append(
            sentence(f"{path}:{yaml_places.line_of(text, location)}: {key + ': ' if key else ''}{message}")
        )
    return "\n".join(sentences)


def _known_keys(top: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys that the model knows at `location`, for suggestions."""
    model: Any = top
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            nested = [a for a in (annotation, *getattr(annotation, "__args__", ())) if isinstance(a, type)]
            models = [a for a in nested if issubclass(a, BaseModel)]
            model = models[0] if models else model
    return [name for name in getattr(model, "model_fields", {}) if name not in ("folder", "digest")]


def sentence(text: str) -> str:
    """The text with a full stop, if it has no end of its own."""
    return text if text.endswith(("?", ".")) else f"{text}."
