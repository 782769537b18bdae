"""Other names of `medseg_lab.show.cost`, until all callers use it."""

from medseg_lab.show.cost import check_passes, seconds_of

__all__ = ["check_passes", "seconds_of"]
