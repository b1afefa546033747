"""Calling the `vagrant` command: with a deadline, an environment of our own, a full log, and one sentence."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labgrader.errors import LabError
from labgrader.printable import printable
from labgrader.providers.vagrant import machine_readable, vagrant_says
from labgrader.providers.vagrant.cli_output import Call, Journal, Progress
from labgrader.providers.vagrant.machine_readable import Line

OLDEST = (2, 3, 0)
INTERRUPT_S = 30.0  # for Vagrant's own clean-up after an interrupt
TERMINATE_S = 5.0
VERSION_S = 60.0
KEEPER = Path(__file__).with_name("keeper.py")

PASSED = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "VAGRANT_HOME"),
    *("VAGRANT_SERVER_URL",),  # a school's own catalogue of boxes
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
}
PASSED_PREFIXES = ("LIBVIRT_", "VBOX_", "XDG_", "STAND_IN_", "LABGRADER_")
# Sentences are found in texts, so these must come in English; boxes and paths may hold any character.
ALWAYS = {"LC_ALL": "C.UTF-8", "VAGRANT_CHECKPOINT_DISABLE": "1"}

INSTALL = (
    "run: sudo apt-get install vagrant, or take it from https://developer.hashicorp.com/vagrant/install; "
    "./lab doctor tells what else is missing"
)


class NotReady(LabError):
    """This machine has no Vagrant that could be used: trying again changes nothing until somebody acts."""


@dataclass(frozen=True)
class Answer:
    """What a call of Vagrant gave: its output as lines (the last 20 000), its stderr, and its time in s."""

    lines: tuple[Line, ...]
    errors: str
    seconds: float
    log: Path

    @property
    def text(self) -> str:
        """What was printed outside of the machine-readable format: an ssh configuration, say."""
        return machine_readable.plain(self.lines)


def run(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    deadline_s: float,
    log: Path,
    tell: Callable[[str], None] | None = None,
    interrupt_s: float = INTERRUPT_S,
) -> Answer:
    """Run `vagrant ARGUMENTS` in `folder` and wait for its end.

    `environment` is added to what Vagrant may know of ours; everything printed is appended to `log`;
    `tell` gets a line of progress at most once a second. After `deadline_s` seconds Vagrant is
    interrupted and has `interrupt_s` to clean up. Raises NotReady if Vagrant is absent or too old, else
    LabError with what went wrong, what mends it, and where the log is.
    """
    path = program()
    if not folder.is_dir():
        raise LabError(f"{folder}, where Vagrant was to run, is not a folder.")
    shown = shlex.join(["vagrant", *arguments])
    journal = Journal.open(log)
    begun = time.monotonic()
    try:
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(environment.items()))
        journal.note(f"cd {shlex.quote(str(folder))} && {settings} {shown}".replace("  ", " "))
        call = Call(journal, Progress(tell))
        keeper = _start(path, arguments, folder, environment, interrupt_s)
        try:
            in_time = call.follow(keeper, begun + deadline_s)
        finally:
            _end(keeper, interrupt_s)
            call.drain()
        seconds = time.monotonic() - begun
        journal.note(
            f"exit status {keeper.returncode} after {seconds:.1f} s" + ("" if in_time else ", ended")
        )
    finally:
        journal.close()
    answer = Answer(tuple(call.out.lines()), call.err.text(), seconds, log)
    if not in_time:
        last = f"; the last it said is: {call.progress.last}" if call.progress.last else ""
        raise LabError(
            f"`{shown}` did not end within {deadline_s:g} s and was stopped{last}; {journal.where}"
        )
    if keeper.returncode != 0:
        raise LabError(f"{_sentence(answer, keeper.returncode)}; {journal.where}")
    return answer


def program() -> str:
    """The path of the vagrant command (LABGRADER_VAGRANT, else PATH); NotReady if none can be used."""
    named = os.environ.get("LABGRADER_VAGRANT")
    path = shutil.which(named or "vagrant")
    if path is None and named:
        raise NotReady(f"LABGRADER_VAGRANT={printable(named)} is no program; unset it, or {INSTALL}.")
    if path is None:
        raise NotReady(f"Vagrant is not on this machine's PATH; {INSTALL}.")
    path = os.path.abspath(path)
    wrong = _unfit(path, os.stat(path).st_mtime_ns)
    if wrong:
        raise NotReady(wrong)
    return path


def passed_on(ours: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The environment for Vagrant: of `ours` what it needs and nothing that would change its ways."""
    kept = {k: v for k, v in ours.items() if k in PASSED or k.startswith(PASSED_PREFIXES)}
    defaults = {"PATH": os.defpath, "HOME": os.path.expanduser("~")}
    return {**defaults, **kept, **ALWAYS, **added}


@functools.cache
def _unfit(path: str, changed_ns: int) -> str | None:
    """Why the program cannot be used; `changed_ns` has a new one looked at anew."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_S,
            cwd="/",
            env=passed_on(os.environ, {"VAGRANT_CWD": "/"}),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} --version cannot be run ({error}); install Vagrant anew: {INSTALL}."
    said = done.stdout.decode("utf-8", "replace")
    found = re.search(r"^Vagrant (\d{1,4})\.(\d{1,4})\.(\d{1,4})", said, re.MULTILINE | re.ASCII)
    if found is None:
        what = printable((done.stderr.decode("utf-8", "replace").strip() or said).partition("\n")[0], 160)
        return f"{path} --version tells no version of Vagrant ({what or 'it prints nothing'}); {INSTALL}."
    version = tuple(int(number) for number in found.groups())
    if version < OLDEST:
        return f"{path} is Vagrant {'.'.join(found.groups())}, and 2.3.0 or newer is needed; {INSTALL}."
    return None


def _start(
    path: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], interrupt_s: float
) -> subprocess.Popen[bytes]:
    words = [str(os.getpid()), str(interrupt_s), str(TERMINATE_S), path, "--machine-readable", "--no-color"]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER), *words, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=passed_on(os.environ, environment),
        start_new_session=True,  # a Ctrl-C is for us, and we end Vagrant
        bufsize=0,
    )


def _end(keeper: subprocess.Popen[bytes], interrupt_s: float) -> None:
    """See that the keeper, and with it Vagrant, has ended."""
    if keeper.poll() is None:
        keeper.terminate()
        try:
            keeper.wait(interrupt_s + TERMINATE_S + 5)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()


def _sentence(answer: Answer, status: int) -> str:
    told = machine_readable.failure(answer.lines) or machine_readable.Failure("", "")
    texts = [item.text for item in machine_readable.said(answer.lines) if item.level in ("error", "warn")]
    about = [item.target for item in answer.lines if item.target and item.kind in ("ui", "action")]
    return vagrant_says.sentence(
        told.error,
        told.message,
        [*texts, answer.text, answer.errors],
        status,
        machine=about[-1] if about else "",
    )
