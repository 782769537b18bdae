"""Cross entropy with a weight for each voxel, which a map of the label gives (survey 2.2.1)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.losses.checks import at_least_float32, check_shapes, known
from medseg_lab.losses.cross_entropy import mean_of_known


class WeightedCrossEntropy:
    """Mean over all known voxels of -w log p of the true class.

    With w = 1 everywhere it is `CrossEntropy`, to the bit. The mean is over voxels, not over weights: a batch
    without heavy voxels has a small loss, and counts less.

    A subclass says what w is, in `weight_map`. Its maps are computed once for each training case, and cut and
    resampled with the patches (`medseg_lab.data.weight_maps`).
    """

    def weight_map(self, label: NDArray, spacing: tuple[float, ...] | None) -> NDArray[np.float32]:
        """The weights of a label `(*S)`, float32, for a spacing in mm, where that is known."""
        raise NotImplementedError

    def __call__(self, logits: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            logits, label: as in `CrossEntropy`.
            weight: `(N, *S)`, the weights of these voxels.

        Raises:
            ValueError: if there are no weights, or the shapes do not belong together.
        """
        check_shapes(logits, label)
        if weight is None:
            raise ValueError(
                f"{type(self).__name__}: expected a weight for each voxel, got none; only Supervised passes "
                "them on, and only to a loss that stands alone"
            )
        if weight.shape != label.shape:
            raise ValueError(
                f"weight: expected the label's shape {tuple(label.shape)}, got {tuple(weight.shape)}"
            )
        with torch.autocast(logits.device.type, enabled=False):
            is_known = known(label).unsqueeze(1)
            log_p = at_least_float32(logits).log_softmax(dim=1)  # (N, K, *S)
            of_label = log_p.gather(1, label.unsqueeze(1) * is_known)
            return -mean_of_known(weight.unsqueeze(1).to(of_label.dtype) * of_label, is_known)

    def activity(self, logits: Tensor, label: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """What the map adds to the weight 1 of a voxel, in the mean: `added_weight`."""
        return {"added_weight": weight.mean() - 1}


def in_voxels(spacing: tuple[float, ...] | None, dims: int) -> NDArray:
    """The edges of a voxel in units of its shortest edge; all 1 where the spacing is not known."""
    return np.ones(dims) if spacing is None else np.asarray(spacing) / min(spacing)
