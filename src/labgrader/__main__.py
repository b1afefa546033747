"""`python -m labgrader TASK …`: the project's invoke tasks, wherever they are called from."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from invoke import Collection, Config, ParseError, Program
from invoke.parser import ParserContext

import labgrader
from labgrader import command_line
from labgrader.errors import LabError, LabgraderError, SubmissionError, UsageError


class _Config(Config):
    prefix = "labgrader"

    def load_base_conf_files(self) -> None:
        """Read no settings of the user's or the system's for invoke; a home may not even be readable."""


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM; not a KeyboardInterrupt, which invoke would answer itself."""


class _Program(Program):
    """invoke's program with this project's overview, helps and exit statuses."""

    contexts: dict[str, ParserContext]

    def print_help(self) -> None:
        print(command_line.overview(self.collection), end="")

    def print_task_help(self, name: str) -> None:
        print(command_line.task_help(self.contexts[name], self.collection[name].__doc__ or ""), end="")

    def parse_core(self, argv: list[str] | None) -> None:
        try:
            super().parse_core(argv)
        except ParseError as error:
            raise _usage(error) from error

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ParseError as error:
            raise _usage(error) from error

    def parse_cleanup(self) -> None:
        try:
            super().parse_cleanup()
        except ParseError as error:
            raise _usage(error) from error

    def execute(self) -> None:
        try:
            super().execute()
        except KeyboardInterrupt as error:
            raise _Stopped from error


def main() -> int:
    """Run the task given on the command line; the exit status is the task's (docs: contract of `lab`)."""
    root = Path(__file__).resolve().parents[2]
    # Ctrl-C and SIGTERM take the same way out, through every `finally`.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.path.insert(0, str(root))
        import tasks

        namespace = Collection.from_module(tasks)
        program = _Program(
            name="lab", version=labgrader.__version__, namespace=namespace, binary="lab", config_class=_Config
        )
        program.contexts = command_line.contexts_of(namespace)
        # Otherwise invoke keeps Python from storing what it compiles, and every run compiles it again.
        program.run(["lab", "--write-pyc", *command_line.checked(sys.argv[1:], program.contexts)])
        sys.stdout.flush()
    except (_Stopped, KeyboardInterrupt):
        print("Stopped; the lab is gone and nothing was scored.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except LabgraderError as error:
        print(error.message, file=sys.stderr)
        return 3 if isinstance(error, LabError) else 1 if isinstance(error, SubmissionError) else 2
    except Exception as error:
        if isinstance(error, OSError) and not _printable():
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            why = f"The output cannot be written: {error.strerror}; what was graded into a folder is kept."
            print(why, file=sys.stderr)
            return 3
        # 1 would say that the student lost marks.
        traceback.print_exc()
        print("This is a fault in labgrader itself; nothing was scored.", file=sys.stderr)
        return 3
    return 0


def _printable() -> bool:
    """Whether stdout still takes what is printed; a full disk or a terminal that is gone refuses it again."""
    try:
        sys.stdout.flush()
        os.write(1, b"\n")
    except OSError:
        return False
    return True


def _usage(error: ParseError) -> UsageError:
    return UsageError(f"{str(error).rstrip('!.')}; ./lab --help shows what there is.")


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
