"""Kill a class's grading at random moments, let it go on, and compare with one that was left in peace.

    python -m tests.batch.soak [KILLS [SEED]]

Prints what was killed; exit status 1 if a table differs or anything is left behind. Takes minutes, and is not
part of the tests, which do the same with a few kills.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.batch import gradings

MUTANTS, REFERENCES, JOBS = 30, 30, 4
PAUSE_S = (0.05, 5.0)


def main(kills: int = 50, seed: int = 1) -> int:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="lg-soak-", dir="/tmp") as name:
        top = Path(name)
        (top / "rt").mkdir()
        students = gradings.mixed_class(top / "class", MUTANTS, REFERENCES)
        begun = time.monotonic()
        words = ["grade", "tcp-server", students, "--jobs", JOBS, "--out"]
        status = gradings.run([*words, top / "peace"], top / "rt", top / "log")
        print(f"in peace: exit status {status}, {time.monotonic() - begun:.0f} s", flush=True)
        peace = gradings.tables(top / "peace")
        wrong = done = rounds = 0
        while done < kills:
            rounds += 1
            done += _disturbed(words, top, rounds, kills - done, chance)
            run = top / f"run{rounds}"
            found = gradings.tables(run) if (run / "report.html").exists() else {}
            same = found == peace
            wrong += not same
            differing = sorted(key for key in {*found, *peace} if found.get(key) != peace.get(key))
            twice = _twice(run)
            wrong += bool(twice)
            said = "identical" if same else f"differs in {differing}"
            print(f"run {rounds}: {said}; judged twice: {twice or 'nobody'}", flush=True)
        left = gradings.left_over_after(top / "rt", 10.0)
        print(f"{done} kills in {rounds} runs; left behind: {left or 'nothing'}")
        if wrong:
            print((top / "log").read_text(errors="replace")[-3000:])
        return 1 if wrong or left else 0


def _disturbed(words: list[object], top: Path, number: int, most: int, chance: random.Random) -> int:
    """One grading to its end, with kills on the way; how many there were."""
    killed: Counter[str] = Counter()
    command = [*words, top / f"run{number}"]
    process = gradings.start(command, top / "rt", top / "log")
    starts = 1
    while True:
        pause = chance.uniform(*PAUSE_S)
        try:
            status = process.wait(pause if sum(killed.values()) < most else gradings.PATIENCE_S)
        except subprocess.TimeoutExpired:
            kind = chance.choice(gradings.VICTIMS)
            if gradings.kill_one(process.pid, kind, chance):
                killed[kind] += 1
            continue
        if status == -9:
            process = gradings.start(command, top / "rt", top / "log")
            starts += 1
            continue
        print(f"run {number}: killed {dict(killed)}, {starts} starts, exit status {status}", flush=True)
        if status != 0:
            print((top / "log").read_text(errors="replace")[-3000:])
        return sum(killed.values())


def _twice(run: Path) -> list[str]:
    """Students with two final judgings of the same submission."""
    with sqlite3.connect(run / "run.sqlite") as connection:
        found = connection.execute(
            "SELECT student FROM judging WHERE status != 'incomplete' GROUP BY student HAVING count(*) > 1"
        )
        return [student for (student,) in found]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
