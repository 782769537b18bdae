"""Cross entropy, the loss that treats all voxels alike (survey 2.2.1, eq. (4))."""

import torch
from torch import Tensor

from medseg_lab.losses.checks import check_shapes, wide


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean over all voxels of -log p of the true class.

    For two classes with foreground probability p and label y this is

        L = -( y log p + (1 - y) log(1 - p) ).

    The survey's eq. (4) as printed, -y log p + (1 - y) log(1 - p), lacks the pair of parentheses: its second
    term has the wrong sign, and would reward a confident false alarm. This is the correct form, for any K.

    Written as a gather, because PyTorch's own 2D and 3D cross entropy adds up in no fixed order on a GPU.

    Args:
        logits: `(N, K, *S)`, any floating type; the loss is computed in float32 at least.
        label: `(N, *S)`, int64, values 0 to K-1.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    check_shapes(logits, label)
    with torch.autocast(logits.device.type, enabled=False):
        return -wide(logits).log_softmax(dim=1).gather(1, label.unsqueeze(1)).mean()
