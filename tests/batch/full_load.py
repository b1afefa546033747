"""Grade many copies of the reference while all processors are kept busy by something else.

    python -m tests.batch.full_load [RUNS [JOBS]]

Prints how many had full marks, which attempts were given up and why, and the rate; exit status 1 unless all
had full marks. A thousand runs take long, and are not part of the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.batch import gradings

# Ends with whoever started it, however that ends.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass\n"


def main(runs: int = 1000, jobs: int = 4) -> int:
    processors = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="lg-load-", dir="/tmp") as name:
        top = Path(name)
        (top / "rt").mkdir()
        students = gradings.reference_class(top / "class", runs)
        words = ["grade", "tcp-server", students, "--out", top / "run", "--jobs", jobs]
        with _loaded(processors):
            begun = time.monotonic()
            process = gradings.start(words, top / "rt", top / "log")
            try:
                status = process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            seconds = time.monotonic() - begun
        judged = _judged(top / "run")
        left = gradings.left_over_after(top / "rt", 10.0)
        said = (top / "log").read_text(errors="replace")
    newest = {report["student"]: report for report in judged}
    full = sum(
        report["status"] == "graded" and report["score"] == report["possible"] for report in newest.values()
    )
    given_up = Counter(why for report in judged for why in _given_up(report))
    print(f"{full} of {runs} had full marks, {jobs} at once, {processors} processors kept busy beside it")
    print(f"attempts given up: {given_up.total()}")
    for why, count in given_up.most_common():
        print(f"  {count} times: {why}")
    print(f"{seconds:.0f} s, {runs / seconds * 60:.0f} a minute; exit status {status}")
    print(f"left behind: {left or 'nothing'}")
    if full != runs or status != 0:
        print(said[-3000:])
    return 0 if full == runs and status == 0 and not left else 1


@contextlib.contextmanager
def _loaded(processors: int) -> Iterator[None]:
    """A process for each processor that does nothing but keep it busy."""
    busy = [subprocess.Popen([sys.executable, "-I", "-S", "-c", BUSY]) for _ in range(processors)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _judged(run: Path) -> list[dict[str, Any]]:
    """Every report that was kept, later ones last."""
    with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as connection:
        return [
            json.loads(text) for (text,) in connection.execute("SELECT report FROM judging ORDER BY number")
        ]


def _given_up(report: dict[str, Any]) -> list[str]:
    """Why tries came to nothing: those before the one that this report is of, and that one."""
    last = [str(report["error"])] if report["status"] == "incomplete" else []
    return [*report["retried"], *last]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
