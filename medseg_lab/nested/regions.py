"""Nested regions and classes: two ways to say the same, as labels and as probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE

Nested = Sequence[Sequence[int]]
"""Regions as sets of classes, outermost first (`medseg_lab.data.task.Task.nested`)."""


def region_labels(label: Tensor, nested: Nested) -> Tensor:
    """Where each region is: `(N, *S)` to `(N, L, *S)`, int64, 0, 1 or `IGNORE`."""
    inside = [torch.isin(label, torch.tensor(region, device=label.device)) for region in nested]
    return torch.stack(inside, dim=1).long().where((label != IGNORE).unsqueeze(1), IGNORE)


def class_probabilities(regions: Tensor, nested: Nested) -> Tensor:
    """What each region has more than the next one inside it: `(N, L, *S)` to `(N, K, *S)`.

    They are never negative and sum to 1, since the regions are nested: p(region 1) >= p(region 2) >= ...
    The label of a voxel is its most probable class, as everywhere here. That is not always the innermost
    region with a probability above one half: at (0.9, 0.6, 0.4) the classes have 0.1, 0.3, 0.2, 0.4.

    Args:
        regions: float32, the probability of each region, which nowhere rises from one region to the next.
        nested: the regions as classes.
    """
    edges = F.pad(regions.movedim(1, -1), (1, 0), value=1.0)  # the image, in which the first region lies
    shells = edges - F.pad(regions.movedim(1, -1), (0, 1))
    classes = torch.tensor([0, *(region[0] for region in nested)])  # that of each shell
    return shells.movedim(-1, 1)[:, classes.argsort()]
