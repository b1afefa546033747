"""`lab nightly` with a provider that has a fault beside the real one; its arguments are LAB and OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from labgrader.model import spec
from labgrader.nightly import job
from labgrader.prove import makers
from labgrader.providers import provider
from tests.proving.faults import Forgetful


def doctor(name: str) -> tuple[bool, str]:
    return True, f"{name} can be used"


def main() -> int:
    lab, out, *more = sys.argv[1:]
    providers = {**makers(["netns"]), "forgetful": Forgetful}
    return job.run(
        [spec.find(lab)],
        providers,
        doctor=doctor,
        clean=provider("netns").clean,
        out=Path(out),
        repeats=1,
        unfinished="--unfinished" in more,
    )


if __name__ == "__main__":
    sys.exit(main())
