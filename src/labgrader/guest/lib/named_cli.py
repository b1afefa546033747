"""``named``, ``named-checkconf`` and ``rndc`` as people type them: the real programs on the running copy.

Without this they would stop at an option that the course teaches and this BIND has removed.
"""

import os
import signal
import sys

import named_unit
import namedcopy

_REAL = "/usr/libexec/labgrader/"
_WITH_VALUE = {"named": "cdDEfLmMnpPsSTtuUxX", "named-checkconf": "t"}


def main(argv):
    """Run the real program of our own name with the configuration file replaced by its copy."""
    name = os.path.basename(argv[0])
    args = list(argv[1:])
    os.environ["LC_ALL"] = "C"
    try:
        if name == "rndc":
            if os.geteuid() == 0 and any(a in ("reload", "reconfig") for a in args):
                named_unit.ready(named_unit.CONF)
        elif os.geteuid() == 0 and not any(a in ("-v", "-V", "-h", "-C") for a in args):
            args = _replaced(name, args)
    except namedcopy.ConfigError as error:
        sys.stderr.write("%s\n" % error)
        return 1
    return _run(_REAL + name, [name, *args])


def _replaced(name, args):
    at = _place(name, args)
    conf = args[at] if at is not None else named_unit.CONF
    if conf.startswith(namedcopy.RUNNING + "/"):
        return args
    if name == "named":
        extra, notes = named_unit.ready(conf)
        target = extra[-1]
    else:
        target, dropped, _ = namedcopy.prepare(conf, namedcopy.RUNNING + "-check")
        notes = named_unit.notes_of(dropped)
    for note in notes:
        sys.stderr.write(note + "\n")
    if at is not None:
        return [*args[:at], target, *args[at + 1 :]]
    return args + (["-c", target] if name == "named" else [target])


def _place(name, args):
    """Return the index of the configuration file among ``args``, or None."""
    skip = False
    for at, arg in enumerate(args):
        if skip:
            skip = False
        elif name == "named" and arg == "-c":
            return at + 1 if at + 1 < len(args) else None
        elif arg.startswith("-"):
            skip = len(arg) == 2 and arg[1] in _WITH_VALUE[name]
        elif name == "named-checkconf":
            return at
    return None


def _run(path, argv):
    """Run the program, its words passed on line by line, in the student's paths; return its status."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.execv(path, argv)
    os.close(write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: os.kill(pid, received))
    with os.fdopen(read, "r", errors="replace") as stream:
        try:
            for line in stream:
                text = line.replace(namedcopy.RUNNING + "-check/", "/")
                sys.stdout.write(named_unit.student_paths(text))
                sys.stdout.flush()
        except BrokenPipeError:  # nobody reads us any more: as if the real program had found that out
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.kill(pid, signal.SIGTERM)
    raw = os.waitpid(pid, 0)[1]
    return 128 + os.WTERMSIG(raw) if os.WIFSIGNALED(raw) else os.WEXITSTATUS(raw)
