"""What a learner sees in one step."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Augmented patches on the training device.

    Args:
        image: labelled patches, `(N, C, *S)`, float32.
        label: their reference labels, `(N, *S)`, int64.
        unlabelled: patches without labels, `(M, C, *S)`, or None where a learner asks for none.
    """

    image: Tensor
    label: Tensor
    unlabelled: Tensor | None = None
