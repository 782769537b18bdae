"""Other names of `medseg_lab.show.contours` and its neighbours, until all callers use those."""

from medseg_lab.show.contact_sheet import ON_COLOUR
from medseg_lab.show.contours import Line as Look
from medseg_lab.show.contours import outline
from medseg_lab.show.sheet import frame, picture

__all__ = ["ON_COLOUR", "Look", "frame", "outline", "picture"]
