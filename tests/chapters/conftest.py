"""The course's own chapters, executed at `smoke` on the data at hand.

They are executed into `build/chapters/`, under their keys: the tests of facts, and a second run of the
tests, find them there.
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
REAL = ("msd-hippocampus", "acdc", "lidc-4rater", "chase-db1")
"""A volume and its spacing; volumes without; pictures, with readings that may be empty; large photographs."""
ONE_RATER = ("virtual-brain", "msd-hippocampus", "acdc", "lidc-4rater")
SEVERAL = ("virtual-brain+raters", "msd-hippocampus", "lidc-4rater", "chase-db1")
"""What chapters on uncertainty run on; they must bear a set with one rater, too."""


def data_root(dataset: str) -> Path | None:
    """The folder of data sets that has this one: `$MEDSEG_DATA`, or `shared/data` beside the checkout."""
    given = os.environ.get("MEDSEG_DATA")
    places = [Path(given)] if given else []
    return next((p for p in (*places, ROOT.parent / "shared" / "data") if (p / dataset).is_dir()), None)


DATASETS = ("virtual-brain", "virtual-brain+raters", *(name for name in REAL if data_root(name)))


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.section)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Each chapter of the course."""
    return request.param


@pytest.fixture(params=DATASETS)
def executed(request: pytest.FixtureRequest, chapter: Chapter) -> Iterator[Executed]:
    """Each chapter executed at `smoke`, on each data set at hand that it can take."""
    if "dataset" not in declared(chapter) and request.param != DATASETS[0]:
        pytest.skip("the chapter takes no data set")
    if request.param not in (SEVERAL if chapter.section.startswith("4") else ONE_RATER):
        pytest.skip("the chapter is run on other data")
    with pytest.MonkeyPatch.context() as patch:
        root = data_root(request.param)
        if root is not None:
            patch.setenv("MEDSEG_DATA", str(root))
        given = taken(chapter, dataset=request.param, budget="smoke")
        yield run_chapter(chapter.path, given, house=House(ROOT))
