"""`python -m labgrader TASK …`: the project's invoke tasks, wherever they are called from."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from invoke import Collection, Config, Program
from invoke.loader import FilesystemLoader

import labgrader
from labgrader.errors import LabError, LabgraderError, SubmissionError


class _Config(Config):
    prefix = "labgrader"


def main() -> int:
    """Run the tasks given on the command line; the exit status is the task's (docs: contract of `lab`)."""
    root = Path(__file__).resolve().parents[2]
    # Ctrl-C and SIGTERM take the same way out, through every `finally`.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.path.insert(0, str(root))
        import tasks

        namespace = Collection.from_module(tasks)
        program = Program(name="lab", version=labgrader.__version__, namespace=namespace, binary="lab")
        program.run(["lab", *sys.argv[1:]], exit=False)
    except KeyboardInterrupt:
        print("Stopped; the lab is gone and nothing was scored.", file=sys.stderr)
        return 130
    except LabgraderError as error:
        print(error.message, file=sys.stderr)
        return 3 if isinstance(error, LabError) else 1 if isinstance(error, SubmissionError) else 2
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


__all__ = ["FilesystemLoader", "main"]

if __name__ == "__main__":
    sys.exit(main())
