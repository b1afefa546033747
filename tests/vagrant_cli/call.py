"""A grader to kill or to shut in: `python -m tests.vagrant_cli.call FOLDER LOG DEADLINE_S ARGUMENT…`.

Prints the class and the message of what went wrong, or "fine".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from labgrader.errors import LabError
from labgrader.providers.vagrant import cli


def main(folder: str, log: str, deadline_s: str, *arguments: str) -> str:
    home = os.environ.get("TEST_VAGRANT_HOME", str(Path(folder) / "home"))
    try:
        cli.run(
            arguments,
            folder=Path(folder),
            environment={"VAGRANT_HOME": home},
            deadline_s=float(deadline_s),
            log=Path(log),
        )
    except LabError as error:
        return f"{type(error).__name__}: {error.message}"
    return "fine"


if __name__ == "__main__":
    print(main(*sys.argv[1:]), flush=True)
