"""Cross entropy, the loss that treats all voxels alike (survey 2.2.1, eq. (4))."""

from dataclasses import dataclass

import torch
from torch import Tensor

from medseg_lab.losses.checks import at_least_float32, check_shapes, known


@dataclass(frozen=True)
class CrossEntropy:
    """Mean over all known voxels of -log p of the true class.

    For two classes with foreground probability p and label y this is

        L = -( y log p + (1 - y) log(1 - p) ).

    The survey's eq. (4) as printed, -y log p + (1 - y) log(1 - p), lacks the pair of parentheses: its second
    term has the wrong sign, and would reward a confident false alarm. This is the correct form, for any K.

    Voxels whose label is `IGNORE` are left out; where none is known, the loss and its gradient are 0.
    """

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: `(N, K, *S)`, any floating type; the loss is computed in float32 at least.
            label: `(N, *S)`, int64, values 0 to K-1 or `IGNORE`.

        Raises:
            ValueError: if the shapes do not belong together.
        """
        check_shapes(logits, label)
        with torch.autocast(logits.device.type, enabled=False):
            # A gather, because PyTorch's own 2D and 3D cross entropy adds up in no fixed order on a GPU.
            is_known = known(label).unsqueeze(1)
            log_p = at_least_float32(logits).log_softmax(dim=1)  # (N, K, *S)
            return -mean_of_known(log_p.gather(1, label.unsqueeze(1) * is_known), is_known)


def mean_of_known(values: Tensor, is_known: Tensor) -> Tensor:
    """The mean of `values` over the voxels that are known; 0, with gradient 0, where none is.

    Args:
        values: one number for each voxel.
        is_known: bool, the same shape.
    """
    count = is_known.sum().clamp(min=1).to(values.dtype)
    # The mean over all voxels, times all by known. Where none is left out this is exactly 1, as two tensors
    # are divided: a number divided by a tensor is multiplied by its rounded reciprocal.
    return values.where(is_known, 0).mean() * (torch.full_like(count, is_known.numel()) / count)
