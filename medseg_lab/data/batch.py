"""What a learner sees in one step."""

from typing import NamedTuple

from torch import Tensor

from medseg_lab.data.view import View


class Batch(NamedTuple):
    """Augmented patches on the training device.

    Args:
        image: labelled patches, `(N, C, *S)`, float32.
        label: their reference labels, `(N, *S)`, int64.
        unlabelled: patches without labels, `(M, C, *S)`, or None where a learner asks for none.
        views: where the unlabelled patches were cut, and how they were turned.
        mirror: the axes of a patch along which the card says that a mirror image is an image, too.
        pseudo: what stands for the labels of the unlabelled patches, `(M, *S)`, int64, where a method has
            made any (`IGNORE` where it has not); None without.
        weight: how much each labelled voxel counts, `(N, *S)`, float32; None where the loss has no map of it.
    """

    image: Tensor
    label: Tensor
    unlabelled: Tensor | None = None
    views: View | None = None
    mirror: tuple[int, ...] = ()
    weight: Tensor | None = None
    pseudo: Tensor | None = None
