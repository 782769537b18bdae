"""The course's own chapters, executed at `smoke` on the embedded virtual subjects and on one real data set.

They are executed into `build/chapters/`, under their keys: another run of the tests finds them there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from medseg_lab.publishing.execute import Executed, run_chapter
from medseg_lab.publishing.house import Chapter, House
from medseg_lab.publishing.parameters import declared, taken

ROOT = Path(__file__).parents[2]
CHAPTERS = House(ROOT).chapters()
REAL = {
    "2.1.1": "acdc",
    "3.2": "msd-hippocampus",
    "4.1.1": "lidc-4rater",
    "4.1.2": "msd-hippocampus",
    "4.2": "chase-db1",
}
"""The real set of each chapter; others take the first. Together: anisotropic volumes; small volumes, which
have one rater in a chapter on uncertainty; pictures with readings that may be empty; large photographs."""


def data_root(dataset: str) -> Path | None:
    """The folder of data sets that has this one: `$MEDSEG_DATA`, or `shared/data` beside the checkout."""
    given = os.environ.get("MEDSEG_DATA")
    places = [Path(given)] if given else []
    return next((p for p in (*places, ROOT.parent / "shared" / "data") if (p / dataset).is_dir()), None)


def executions() -> Iterator[tuple[Chapter, str]]:
    """Each chapter with the embedded data set and, where it takes one and it is here, with its real one."""
    for chapter in CHAPTERS:
        yield chapter, "virtual-brain+raters" if chapter.section.startswith("4") else "virtual-brain"
        real = REAL.get(chapter.section, REAL["2.1.1"])
        if "dataset" in declared(chapter) and data_root(real):
            yield chapter, real


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.section)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Each chapter of the course."""
    return request.param


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(pair, id=f"{pair[0].section}-{pair[1]}", marks=pytest.mark.chapter)
        for pair in executions()
    ],
)
def executed(request: pytest.FixtureRequest) -> Iterator[Executed]:
    """Each chapter executed at `smoke`."""
    chapter, dataset = request.param
    with pytest.MonkeyPatch.context() as patch:
        root = data_root(dataset)
        if root is not None:
            patch.setenv("MEDSEG_DATA", str(root))
        given = taken(chapter, dataset=dataset, budget="smoke")
        yield run_chapter(chapter.path, given, house=House(ROOT))
