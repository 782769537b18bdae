"""Other names of `medseg_lab.show.contours`, until all callers use it."""

from medseg_lab.show.contours import in_rows, painted

__all__ = ["in_rows", "painted"]
