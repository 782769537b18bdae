"""Where a method is judged voxel by voxel."""

from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case

MARGIN = 8
"""Voxels within so many of what any rater marked are judged; all else is easy for every method."""


def judged_voxels(case: Case, slice_axis: int = -1, margin: int = MARGIN) -> Tensor:
    """The voxels that all raters labelled, within `margin` of one that any rater marked: `(*S)`, bool.

    Args:
        case: a picture, or a volume of slices that do not touch (`medseg_lab.evaluation.sampling.thinned`).
        slice_axis: across which slices of a volume were taken: there is no margin across them.
        margin: in voxels.
    """
    readings = case.labels.cpu()
    across = slice_axis % 3 if readings.ndim == 4 else None
    return surroundings(readings, margin, across) & (readings != IGNORE).all(dim=0)


def surroundings(readings: Tensor, margin: int, across: int | None = None) -> Tensor:
    """The voxels within `margin` of one that any rater marked, along each axis but `across`: `(*S)`, bool.

    The whole image where nobody marked anything.
    """
    marked = ((readings > 0) & (readings != IGNORE)).any(dim=0)
    if not marked.any():
        return ~marked
    for axis in range(marked.ndim):
        if axis != across:
            lines = marked.movedim(axis, -1).float()
            grown = F.max_pool1d(lines.flatten(0, -2)[:, None], 2 * margin + 1, stride=1, padding=margin)
            marked = grown.reshape(lines.shape).movedim(-1, axis) > 0
    return marked
