"""Whole submissions of network-services that attack by configuration: what they earn when they are graded."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from labgrader.model.results import Status
from labgrader.pool import workers
from labgrader.providers.netns import image
from tests.labs.grading import Graded, grade_program, lost, told

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
CHEATS = sorted((Path(__file__).parents[1] / "submissions" / "cheats-network").iterdir())
WORKERS = 4


@pytest.fixture(scope="module")
def graded(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Graded]]]:
    """All selected submissions under way at once, in a runtime folder of their own."""
    image.ensure()
    path = tempfile.mkdtemp(prefix="lgt-", dir="/tmp")
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = path
    with workers(WORKERS) as pool:
        selected = {
            item.callspec.params["cheat"]
            for item in request.session.items
            if hasattr(item, "callspec") and "cheat" in item.callspec.params
        }
        yield {
            cheat.name: pool.submit(grade_program, "network-services", cheat) for cheat in sorted(selected)
        }
        pool.shutdown(wait=True, cancel_futures=True)
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
    shutil.rmtree(path)


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda path: path.name)
def test_an_attack_by_configuration_earns_what_it_should(
    graded: dict[str, Future[Graded]], cheat: Path
) -> None:
    first = (cheat / "expect").read_text().splitlines()[0]
    assert re.fullmatch(r"score=100|(?:(?:fails|blocked)=[\w,]+ ?)+", first), first
    one = graded[cheat.name].result()
    assert one.report.status is Status.GRADED, told(one.report)
    assert one.remains == ()
    wanted = dict(re.findall(r"(fails|blocked)=([\w,]+)", first))
    assert {name: ",".join(ids) for name, ids in lost(one.report).items() if ids} == wanted, told(one.report)
