"""Real Dask clusters on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.batch.gradings import ROOT, until

DASK = [sys.executable, "-P", "-m", "dask"]
START_S = 60.0


class LocalCluster:
    """A scheduler, and the workers that were started for it."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(ROOT / "src")}
        self._processes: list[subprocess.Popen[bytes]] = []
        found = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(found)
        )
        self.address = until(lambda: _address(found), "the scheduler is up", START_S)

    def worker(self, *words: str, threads: int = 1, nanny: bool = False, **environment: str) -> int:
        """Start a worker; its pid. It may take part later."""
        keeper = "--nanny" if nanny else "--no-nanny"
        place = self._folder / f"worker{len(self._processes)}"
        return self._start(
            *("worker", self.address, "--host", "127.0.0.1", "--nthreads", str(threads), keeper),
            *("--memory-limit", "0", "--local-directory", str(place), *words),
            **environment,
        )

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def kill(self, pid: int) -> None:
        """`kill -9`, and see that it has ended."""
        process = next(one for one in self._processes if one.pid == pid)
        process.kill()
        process.wait()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _start(self, kind: str, *words: str, **environment: str) -> int:
        with (self._folder / f"{len(self._processes)}-{kind}.log").open("wb") as log:
            process = subprocess.Popen(
                [*DASK, kind, "--no-dashboard", *words],
                env={**self._environment, **environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process.pid


@contextmanager
def cluster(folder: Path, runtime: Path) -> Iterator[LocalCluster]:
    """A scheduler, without workers; all of it is gone after the block."""
    folder.mkdir()
    made = LocalCluster(folder, runtime)
    try:
        yield made
    finally:
        made.close()


def _address(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text())["address"])
    except (OSError, ValueError):
        return None
