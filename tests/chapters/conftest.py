"""The course's own chapters, executed at `smoke` on the embedded virtual subjects and on one real data set.

They are executed into `build/chapters/`, under their keys: another run of the tests finds them there. With a
run store in `$MEDSEG_CHAPTER_RUNS`, a book of the same parameters finds them, too, since it wants their runs.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medseg_lab.publishing.execute import Executed, run_chapter
from medseg_lab.publishing.house import Chapter, House
from medseg_lab.publishing.parameters import declared, of_book
from tests.chapters.warm import warm_kernels

ROOT = Path(__file__).parents[2]
CHAPTERS = House(ROOT).chapters()
REAL = {
    "0": "dsb2018-nuclei",
    "2.1.1": "acdc",
    "2.1.2": "msd-hippocampus",
    "2.1.3": "acdc",
    "2.1.4": "acdc",
    "2.2": "dsb2018-nuclei",
    "2.3": "msd-hippocampus",
    "2.3.1": "msd-hippocampus",
    "2.3.3": "msd-hippocampus",
    "3.1": "msd-hippocampus",
    "3.2": "msd-hippocampus",
    "3.3": "msd-hippocampus",
    "3.4": "msd-hippocampus",
    "4.1.1": "lidc-4rater",
    "4.1.2": "msd-hippocampus",
    "4.2": "chase-db1",
    "5": "msd-hippocampus",
}
"""The real set of each chapter; others take the first. Together: anisotropic volumes; small volumes, which
have one rater in a chapter on uncertainty; pictures with readings that may be empty; large photographs."""


def data_root(dataset: str) -> Path | None:
    """The folder of data sets that has this one: `$MEDSEG_DATA`, or `shared/data` beside the checkout."""
    given = os.environ.get("MEDSEG_DATA")
    places = [Path(given)] if given else []
    return next((p for p in (*places, ROOT.parent / "shared" / "data") if (p / dataset).is_dir()), None)


def executions(real: bool) -> list[Any]:
    """Each chapter with the embedded data set; or, where it takes one and it is here, with its real one."""
    found = []
    for chapter in CHAPTERS:
        dataset = of_book(chapter, dataset="virtual-brain").get("dataset", "virtual-brain")
        if real:
            dataset = REAL.get(chapter.section, REAL["2.1.1"])
            if "dataset" not in declared(chapter) or not data_root(dataset):
                continue
        found.append(pytest.param((chapter, dataset), id=f"{chapter.section}-{dataset}"))
    return found


def execution(chapter: Chapter, dataset: str) -> Iterator[Executed]:
    """The chapter executed at `smoke`."""
    with pytest.MonkeyPatch.context() as patch:
        root = data_root(dataset)
        if root is not None:
            patch.setenv("MEDSEG_DATA", str(root))
        # not that of the tests, which is empty: a chapter may show what is on record
        patch.delenv("MEDSEG_RECORD")
        if kept := os.environ.get("MEDSEG_CHAPTER_RUNS"):
            patch.setenv("MEDSEG_RUNS", kept)
        warm_kernels(patch)
        given = of_book(chapter, dataset=dataset, budget="smoke")
        yield run_chapter(chapter.path, given, house=House(ROOT))


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.section)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Each chapter of the course."""
    return request.param
