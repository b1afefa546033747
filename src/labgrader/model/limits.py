"""How much a lab and a student's program may use. Plain numbers; who enforces them is said in the report."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Where a student's user may write: /tmp, /var/tmp, /dev/shm, /run/lock and his home, each a tmpfs of its own.
PLACES = 5


class Limits(BaseModel):
    """Limits with sensible defaults; a lab changes them under `limits:` in lab.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_s: Annotated[float, Field(gt=0)] = 90.0  # the whole of one submission, apply and checks together
    check_s: Annotated[float, Field(gt=0)] = 30.0  # one check
    processes: Annotated[int, Field(ge=4)] = 64  # of the student's user on his machine, threads included
    memory_mb: Annotated[int, Field(ge=32)] = 256  # of all the student's processes together
    cpu_s: Annotated[int, Field(ge=1)] = 20  # processor seconds of one process
    cpus: Annotated[float, Field(gt=0)] = 1.0  # processors that the student's machine may keep busy
    disk_mb: Annotated[int, Field(ge=1)] = 32  # in each place where an ordinary user may write
    output_kb: Annotated[int, Field(ge=1)] = (
        512  # of printout kept for one start; the rest is read and dropped
    )
    open_files: Annotated[int, Field(ge=16)] = 256

    @property
    def student_mb(self) -> int:
        """The most memory (MB) that a student's programs take: processes, and what they write to tmpfs."""
        return self.memory_mb + PLACES * self.disk_mb
