"""How well the samples and the readings can be paired."""

from math import lcm

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from medseg_lab.uncertainty.measures.energy_distance import overlap
from medseg_lab.uncertainty.measures.shares import check_labels, check_same_voxels


def matched_iou(samples: Tensor, readings: Tensor, n_classes: int) -> Tensor:
    """The mean IoU of the best one-to-one pairing of samples with readings, for each foreground class.

    Both sets are repeated until they have as many members, lcm(n, R), so that no reading counts for more than
    another; then the Hungarian method finds the pairing with the largest sum. It is the measure that the
    authors of [81] added to GED^2 in their later hierarchical model: that one rewards spread by itself, this
    one only spread that meets a reading. Classes are paired each for itself.

    Args:
        samples: `(n, *S)`, class indices, one draw each.
        readings: `(R, *S)`, the raters'.
        n_classes: K, background included.

    Returns:
        `(K-1,)`, 0 to 1; 1 where the two are the same set. Two empty masks match, IoU 1.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_labels("samples", samples, n_classes)
    check_labels("readings", readings, n_classes)
    check_same_voxels(("samples", samples), ("readings", readings))
    members = lcm(len(samples), len(readings))
    iou = overlap(samples, readings, n_classes)
    repeated = iou.repeat(1, members // len(samples), members // len(readings))
    matched = [each[linear_sum_assignment(each.cpu().numpy(), maximize=True)].mean() for each in repeated]
    return torch.stack(matched)
