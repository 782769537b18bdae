"""Which labels of an image a learner is taught: one rater's, any's, the majority's, boxes, or wrong ones."""

from typing import Literal

import torch
from torch import Tensor

from medseg_lab.data.case import IGNORE

Reading = Literal["reference", "random", "consensus", "boxes", "spoiled"]
"""The first rater's labels; those of a rater drawn anew for each patch; the majority's; or, as weaker
supervision, the first rater's as filled bounding boxes (`data.supervision.boxes`), the voxels withheld; or,
for experiments with wrong labels, the first rater's, spoiled in a known share (`data.spoiled`)."""


def consensus(labels: Tensor) -> Tensor:
    """What most raters say of each voxel, `(R, *S)` to `(*S)`, uint8.

    Of classes with equally many votes the last one wins: so two of four readings are enough for a nodule, as
    is customary on LIDC. Who left a voxel open (`IGNORE`) has no vote there; where nobody has one it stays
    open.
    """
    best = torch.full_like(labels[0], IGNORE)
    most = torch.zeros_like(labels[0], dtype=torch.int64)
    for value in labels.unique().tolist():
        if value != IGNORE:
            votes = (labels == value).sum(dim=0)
            wins = votes >= most.clamp(min=1)
            best[wins], most[wins] = value, votes[wins]
    return best
