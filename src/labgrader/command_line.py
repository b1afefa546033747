"""Words of the command line, looked over before invoke sees them, so that a wrong one gets a clear answer.

The tasks stay the only place that says which arguments there are; this module asks invoke for them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from invoke import Collection
from invoke.parser import Argument, ParserContext

from labgrader.errors import UsageError

# Words that may be left out or given many times; invoke knows only positional words that must be given.
FREE_WORDS = {"prove": "lab", "nightly": "lab", "machines": "lab", "diff": "run2", "test": "paths"}
VALUES = {"set": "NAME=VALUE", "as": "FORMAT", "scheduler": "ADDRESS"}
VALUES |= dict.fromkeys(("json", "template", "roster"), "FILE")
# An option that must be given, and what its value is called.
NEEDED = {"grade": ("out", "RUN")}
# pytest's users write -k.
ALIASES = {"test": {"--k": "-k"}}

OVERVIEW = """\
labgrader grades networking and system administration labs on real machines, and says why.

  ./lab doctor                     what this machine lacks, and the command that mends it
  ./lab check LAB SUBMISSION       grade one submission and print the feedback; to see it work:
  ./lab check tcp-server examples/submissions/tcp_server.py

{tasks}

./lab TASK --help tells what a task takes.
"""


def overview(collection: Collection) -> str:
    """What `./lab` alone prints: the two commands for a newcomer, then every task with its first sentence."""
    lines = []
    for name, task in sorted(collection.tasks.items()):
        sentence = (task.__doc__ or "").strip().split("\n")[0]
        lines.append(f"  {name!s:10} {sentence}")
    return OVERVIEW.format(tasks="\n".join(lines))


def task_help(context: ParserContext, docstring: str) -> str:
    """What `./lab TASK --help` prints: how the task is called, what it does, and its arguments."""
    arguments = list(context.args.values())
    words = [_name(arg) for arg in arguments if arg.positional]
    values = VALUES | dict([NEEDED.get(str(context.name), ("", ""))])
    lines = [usage(context), "", *(line.removeprefix("    ") for line in docstring.strip().splitlines()), ""]
    for argument in sorted(arguments, key=lambda arg: not arg.positional):
        name = _name(argument)
        if name in words:
            left = name.upper()
        else:
            left = f"--{name}" + (f" {values.get(name, name.upper())}" if argument.takes_value else "")
        default = (
            f" (default: {argument.default})" if argument.default not in (None, False, [], 0, "") else ""
        )
        lines.append(f"  {left:22} {argument.help or ''}{default}".rstrip())
    return "\n".join(lines).rstrip() + "\n"


def usage(context: ParserContext, given: Iterable[str] = ()) -> str:
    """How a task is called, in one line: `./lab check LAB SUBMISSION [OPTION …]`."""
    free = FREE_WORDS.get(str(context.name))
    words = [name for arg in context.positional_args if (name := str(arg.name)) != free and name not in given]
    line = ["./lab", str(context.name), *(word.upper() for word in words)]
    if free:
        line.append(f"[{free.upper()}]" + (" …" if context.flags[f"--{free}"].kind is list else ""))
    option, value = NEEDED.get(str(context.name), ("", ""))
    if option and option not in given:
        line.append(f"--{option} {value}")
    if len(context.args) > len(context.positional_args):
        line.append("[OPTION …]")
    return " ".join(line)


def contexts_of(collection: Collection) -> dict[str, ParserContext]:
    """Each task's arguments, by its name. To be asked for once: invoke forgets the help while it answers."""
    return {str(context.name): context for context in collection.to_contexts()}


def checked(words: list[str], contexts: Mapping[str, ParserContext]) -> list[str]:
    """The words as invoke shall have them. Raises UsageError with one sentence for whatever is wrong.

    A task's words become options; `TASK … --help` becomes `--help TASK`.
    """
    if not words or words[0].startswith("-"):
        return words
    name = words[0]
    if name not in contexts:
        raise UsageError(
            f"There is no task '{name}'{_meant(name, contexts)} There are: {', '.join(sorted(contexts))}."
        )
    end = words.index("--") if "--" in words else len(words)
    if "-h" in words[:end] or "--help" in words[:end]:
        return ["--help", name]
    context = contexts[name]
    options, bare = _sort(context, words[1:end])
    options += _placed(context, bare, {argument for argument, _ in options})
    return [
        name,
        *(f"--{argument}" + ("" if value is None else f"={value}") for argument, value in options),
        *words[end:],
    ]


def _name(argument: Argument) -> str:
    """How an option is written; its parameter has another name where Python keeps the word (`as`)."""
    return str(argument.names[0])


def _sort(context: ParserContext, words: list[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
    """One task's options as pairs of name and value (None for a switch), and its bare words."""
    task = str(context.name)
    options: list[tuple[str, str | None]] = []
    bare: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word:
            # `./lab check LAB "$FILE"` without FILE would otherwise grade the folder in which one stands.
            raise UsageError(f"./lab {task}: one of its words is empty; perhaps a shell variable is not set.")
        if not word.startswith("-") or word == "-":
            bare.append(word)
            continue
        flag, equals, value = word.partition("=")
        flag = ALIASES.get(task, {}).get(flag, flag)
        if not flag.startswith("--") and not equals and len(flag) > 2:
            flag, equals, value = flag[:2], "=", flag[2:]
        if flag not in context.flags:
            raise UsageError(f"./lab {task} has no option {flag}{_meant(flag, context.flags)}")
        argument = context.flags[flag]
        if not argument.takes_value:
            if equals:
                raise UsageError(f"./lab {task}: {flag} takes no value.")
            options.append((_name(argument), None))
            continue
        if not equals:
            # In `--only --json FILE` the value was rather forgotten than looks like an option.
            value = next(rest, "")
        if not value or (not equals and value in context.flags):
            raise UsageError(f"./lab {task}: {flag} needs a value.")
        if argument.kind is int and not (value.isascii() and value.isdigit()):
            raise UsageError(f"./lab {task}: {flag} {value}: write a whole number.")
        options.append((_name(argument), value))
    return options, bare


def _placed(context: ParserContext, bare: list[str], given: set[str]) -> list[tuple[str, str | None]]:
    """The bare words as options of the task's positional arguments, so many as it takes."""
    task = str(context.name)
    free = FREE_WORDS.get(task)
    needed = [str(arg.name) for arg in context.positional_args if arg.name != free and arg.name not in given]
    if missing := [name.upper() for name in needed[len(bare) :]]:
        raise UsageError(f"./lab {task} needs {' and '.join(missing)}: {usage(context, given)}")
    placed: list[tuple[str, str | None]] = list(zip(needed, bare, strict=False))
    more = bare[len(needed) :]
    several = free is not None and context.flags[f"--{free}"].kind is list
    if free is not None and not several and free not in given:
        # invoke takes a positional argument for a needed one; empty means left out.
        placed.append((free, more.pop(0) if more else ""))
    if more and not several:
        raise UsageError(f"./lab {task} does not know what to do with {more[0]!r}: {usage(context, given)}")
    return placed + [(str(free), word) for word in more]


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else "."
