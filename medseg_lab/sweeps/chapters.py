"""The chapters of a grid as jobs."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medseg_lab.sweeps.grid import ChapterGrid, Grid
from medseg_lab.sweeps.jobs import ChapterRun
from medseg_lab.sweeps.known import dataset_called


def executions(chapter: ChapterGrid, grid: Grid) -> Iterator[ChapterRun]:
    """One execution for each combination of the parameters' values, checked."""
    from medseg_lab.publishing.house import find_house
    from medseg_lab.publishing.parameters import checked

    source = find_house().chapter(chapter.section)
    for values in itertools.product(*chapter.alternatives.values()):
        given: dict[str, Any] = dict(zip(chapter.alternatives, values, strict=True))
        _check_known(checked(source, given))
        said = ", ".join(f"{name}={value}" for name, value in given.items())
        yield ChapterRun(
            title=f"chapter {source.section}" + (f", {said}" if said else ""),
            threads=grid.threads,
            gpus=grid.gpus,
            section=str(source.path),
            parameters=given,
        )


def _check_known(values: dict[str, Any]) -> None:
    """Raise ValueError for a budget or data set among a chapter's parameters that is not known."""
    from medseg_lab.training.budget import budget

    if "budget" in values:
        budget(values["budget"])
    if values.get("dataset", "auto") != "auto":
        dataset_called(values["dataset"], Path())
