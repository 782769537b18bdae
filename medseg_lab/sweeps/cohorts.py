"""The cohorts that a worker keeps for its next jobs."""

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

KEPT = 2
_kept: "OrderedDict[tuple[tuple[str, int | None, int | None], bool | None], Cohort]" = OrderedDict()


def shared_cohort(which: tuple[str, int | None, int | None], mapped: bool | None) -> "Cohort":
    """The cohort of (data set, most cases, labelled patients), loaded once; at most `KEPT` are in memory.

    Args:
        which: the arguments of `load_cohort`.
        mapped: whether it is read from disk; None for where one process alone would do so.

    Raises:
        ValueError: as `load_cohort`.
    """
    from medseg_lab.data.cohort import load_cohort

    if (which, mapped) not in _kept:
        while len(_kept) >= KEPT:
            _kept.popitem(last=False)
        dataset, cases, labelled = which
        _kept[which, mapped] = load_cohort(dataset, cases=cases, labelled=labelled, mapped=mapped)
    _kept.move_to_end((which, mapped))
    return _kept[which, mapped]


def must_be_mapped(cohort: "Cohort", neighbours: int) -> bool | None:
    """True where the cohort fits one process, but not as many as share the machine's memory; else None."""
    from medseg_lab.data.loading import SHARE
    from medseg_lab.data.mapped import MappedCase
    from medseg_lab.data.memory import physical_memory

    cases = (*cohort.labelled, *cohort.unlabelled, *cohort.validation)
    held = sum(case.image.nbytes + case.labels.nbytes for case in cases if not isinstance(case, MappedCase))
    return True if held * neighbours > SHARE * physical_memory() else None
